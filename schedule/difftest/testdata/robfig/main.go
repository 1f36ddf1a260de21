// Robfig answers lines "AFTER\tCOUNT\tZONE\tCRONTAB" with the next due times
// after a Unix second, as Unix seconds, or with "! " and why not. ZONEINFO
// names the zone data.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

func main() {
	in, out := bufio.NewScanner(os.Stdin), bufio.NewWriter(os.Stdout)
	for in.Scan() {
		fmt.Fprintln(out, answer(strings.Split(in.Text(), "\t")))
		out.Flush()
	}
}

func answer(query []string) string {
	after, err := strconv.ParseInt(query[0], 10, 64)
	if err != nil {
		return "! " + err.Error()
	}
	count, err := strconv.Atoi(query[1])
	if err != nil {
		return "! " + err.Error()
	}
	zone, err := time.LoadLocation(query[2])
	if err != nil {
		return "! " + err.Error()
	}
	cron, err := cron.ParseStandard(query[3])
	if err != nil {
		return "! " + err.Error()
	}
	var dues []string
	for at := time.Unix(after, 0).In(zone); len(dues) < count; {
		at = cron.Next(at)
		if at.IsZero() {
			break
		}
		dues = append(dues, strconv.FormatInt(at.Unix(), 10))
	}
	return strings.Join(dues, " ")
}

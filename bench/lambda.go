package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// What the Lambda function may come to: how many times as fast as Python with
// boto3, by instances.
var goalsLambda = map[string]float64{"3": 20, "1000": 5}

// coldLine is a line of BenchmarkCold.
var coldLine = regexp.MustCompile(`(?m)^BenchmarkCold/(\d+)_instances.*$`)

// lambda has BenchmarkCold of e2e/aws measure a fresh process of the function.
func (b *bench) lambda() error {
	b.heading("The Lambda function, cold", "From the start of a fresh process until SendCommand is answered, beside a Python script with boto3 that lists the tagged\ninstances and sends the command; medians of 9 rounds in turns. AWS's answers are recorded and played back.")
	out, err := exec.Command("go", "test", "-count=1", "-run", "^$", "-bench", "Cold", "-benchtime", "1x", "./e2e/aws").CombinedOutput()
	lines := coldLine.FindAllStringSubmatch(string(out), -1)
	if err != nil || len(lines) == 0 {
		_, _ = os.Stderr.Write(out)
		return fmt.Errorf("go test -bench Cold ./e2e/aws: %w", err)
	}
	fmt.Fprintf(b.out, "| instances | function, ms | boto3, ms | times as fast | goal | |\n|---|---|---|---|---|---|\n")
	for _, line := range lines {
		verdict := "met"
		if figure(line[0], "boto3/function") < goalsLambda[line[1]] {
			verdict = "**not met**"
		}
		fmt.Fprintf(b.out, "| %s | %.1f | %.0f | %.0f | %g | %s |\n", line[1],
			figure(line[0], "ms/function"), figure(line[0], "ms/boto3"), figure(line[0], "boto3/function"), goalsLambda[line[1]], verdict)
	}
	fmt.Fprintln(b.out)
	return nil
}

// figure is the number before the unit in a line of a Go benchmark.
func figure(line, unit string) float64 {
	fields := strings.Fields(line)
	for i := 1; i < len(fields); i++ {
		if fields[i] == unit {
			v, _ := strconv.ParseFloat(fields[i-1], 64)
			return v
		}
	}
	return 0
}

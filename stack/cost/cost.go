// Package cost estimates what an installation costs in a month: from the jobs
// file, and from how often AWS is called for each thing that happens. It asks
// AWS nothing.
//
// The prices are those of the list for us-east-1, without the free tier, which
// most installations don't leave. Other regions differ, and are dearer mostly.
// Not in it are the hosts, retries, runs that last for several sweeps, and what
// is only told of failures.
package cost

import (
	"math"
	"time"

	"github.com/solocron/solocron/stack"
)

// Estimate is the cost of a month of 30 days, in US dollars.
type Estimate struct {
	Region string  `json:"region"` // of the price list
	Priced string  `json:"priced"` // the date of the price list: 2026-05-01
	Items  []Item  `json:"items"`
	Total  float64 `json:"total"`
}

// Item is one line of the estimate. Dollars are whole cents, of which a part is
// taken for one; the total is the sum of the lines.
type Item struct {
	Service  string  `json:"service"`
	Quantity float64 `json:"quantity"`
	Unit     string  `json:"unit"` // "invocations"
	Dollars  float64 `json:"dollars"`
}

// Of estimates the month from an instant on. Jobs that stack.New refuses are
// left out.
func Of(i *stack.Installation, from time.Time) Estimate {
	use := usage(i, from)
	e := Estimate{Region: "us-east-1", Priced: "2026-05-01"}
	for _, line := range []struct {
		service  string
		quantity float64
		unit     string
		price    float64 // of one
	}{
		{"EventBridge Scheduler", use.rings, "invocations", 1.00 / million},
		{"Lambda", use.events, "invocations", 0.20 / million},
		{"Lambda", use.events * seconds * memory, "GB-seconds: 0.2 s of 256 MB for each, on arm64", 0.0000133334},
		{"DynamoDB", use.writes, "write units", 0.625 / million},
		{"DynamoDB", use.reads, "read units", 0.125 / million},
		{"CloudWatch", alarms, "alarms", 0.10},
		{"CloudWatch Logs", use.events * logged, "MB", 0.50 / 1000},
		{"SNS", use.messages, "messages", 0.50 / million},
		{"Systems Manager", use.runs, "commands on EC2 instances", 0},
	} {
		cents := math.Ceil(math.Round(line.quantity*line.price*1e6) / 1e4)
		e.Items = append(e.Items, Item{line.service, math.Ceil(line.quantity), line.unit, cents / 100})
		e.Total += cents
	}
	e.Total /= 100
	return e
}

const (
	million = 1e6
	sweeps  = 30 * 24 * 60
	// Most of an event is waiting for AWS, and all but the cold start is below
	// this.
	seconds = 0.2
	memory  = 0.25  // GB
	logged  = 0.001 // MB: what Lambda says of each event, and solocron of some
	alarms  = 8     // of stack/template
)

// What DynamoDB counts, as sizes and calls were recorded over the whole way of
// a due time and of a sweep; an item of a transaction counts twice.
const (
	// A run is read and written with its slot, its claim and its end, and the
	// sweep looks once whether it is there.
	runWrites, runReads = 25, 6
	// A ring at which the job is not due reads the job.
	ringReads = 1
	// A sweep reads each job, their names, the open runs in four parts, and the
	// outbox of each target and of instance protection in two.
	sweepReads, targetReads = 1 + 4 + 2, 2
	noticeWrites            = 13
)

// used is what happens in a month.
type used struct{ rings, runs, events, messages, writes, reads float64 }

func usage(i *stack.Installation, from time.Time) used {
	var u used
	c := counter{from: from, seen: map[string]float64{}}
	for _, j := range i.File.Jobs {
		timers, err := stack.Timers(j)
		if err != nil {
			continue
		}
		runs := c.dues(j.When)
		u.runs += runs
		u.messages += runs * told(j)
		for _, t := range timers {
			u.rings += c.rings(t)
		}
	}
	// SSM tells of a command when it begins and when it ends.
	u.events = u.rings + 2*u.runs + sweeps
	u.writes = runWrites*u.runs + noticeWrites*u.messages
	everySweep := sweepReads + targetReads*len(i.File.Targets) + len(i.File.Jobs)
	u.reads = runReads*u.runs + ringReads*max(u.rings-u.runs, 0) + sweeps*float64(everySweep)
	return u
}

package stack

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/schedule"
)

// Schedule is one schedule of EventBridge Scheduler. It is never changed: its
// name is that of its content, so a list of names tells what is in place, and
// repeating its creation is safe.
type Schedule struct {
	Name    string        // in the group
	Expr    string        // cron(...) or at(...)
	Zone    string        // IANA name
	Input   string        // JSON for the function, with Scheduler's keyword for the due time
	MaxAge  time.Duration // how long Scheduler tries to hand it over
	Retries int32
}

// Timers are what has to ring for a job.
func Timers(j job.Job) ([]schedule.Timer, error) {
	when, err := schedule.Parse(j.When)
	if err != nil {
		return nil, err
	}
	return when.Timers()
}

// Bounds of Scheduler's retry policy.
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html
const (
	minAge     = time.Minute
	maxAge     = 24 * time.Hour
	maxRetries = 185
)

// scheduledTime is replaced by Scheduler with the time that the schedule was
// due, as 2022-03-22T18:59:43Z.
const scheduledTime = "<aws.scheduler.scheduled-time>"

// due is what the function is invoked with.
type due struct {
	Job  string `json:"job"`
	Spec string `json:"spec"`
	Due  string `json:"due"`
}

// Schedules are those of a job. A schedule that could not be handed over within
// the job's start-within would come too late anyway.
func Schedules(j job.Job) ([]Schedule, error) {
	timers, err := Timers(j)
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", j.Name, err)
	}
	input := plainJSON(due{j.Name, j.Hash(), scheduledTime})
	var list []Schedule
	for _, t := range timers {
		s := Schedule{Expr: t.Expr, Zone: t.Zone, Input: input, MaxAge: min(max(j.StartWithin.Truncate(time.Second), minAge), maxAge), Retries: maxRetries}
		s.Name = scheduleName(j.Name, s)
		list = append(list, s)
	}
	return list, nil
}

// The name has at most 64 characters of those that a job's name has, too.
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
const (
	maxName    = 64
	suffixName = 1 + 16
)

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// scheduleName is the job's name, shortened, and 80 bits of the content's hash.
func scheduleName(job string, s Schedule) string {
	sum := sha256.Sum256([]byte(plainJSON(s)))
	return job[:min(len(job), maxName-suffixName)] + "." + letters.EncodeToString(sum[:10])
}

// plainJSON leaves < and > as they are, which Scheduler looks for.
func plainJSON(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // strings and numbers
	}
	return strings.TrimSuffix(b.String(), "\n")
}

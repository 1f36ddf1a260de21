package simulate_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
	"github.com/solocron/solocron/simulate"
)

var midnight = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// nightly is a job with the file's defaults.
func nightly(name, when string) job.Job {
	return job.Job{
		Name: name, When: schedule.Spec{Expr: when, Seed: name}, Pick: fleet.First, Command: "true",
		Overlap: job.Skip, StartWithin: 10 * time.Minute, Catchup: job.Catchup{Mode: job.CatchupNone},
		Timeout: time.Hour, Grace: 10 * time.Second,
		Retry: job.Retry{On: []run.State{run.Failed, run.TimedOut}, Backoff: 10 * time.Second, MaxBackoff: time.Minute, Host: job.AnyHost},
	}
}

func servers(address string, names ...string) (list []fleet.Host) {
	for _, name := range names {
		list = append(list, fleet.Host{ID: name, Address: address, Tags: map[string]string{"name": name}})
	}
	return list
}

// story is what a world's runs came to, one line each.
func story(t *testing.T, w simulate.World, faults ...string) string {
	t.Helper()
	for _, text := range faults {
		f, err := simulate.ParseFault(text, w.From)
		if err != nil {
			t.Fatal(err)
		}
		w.Faults = append(w.Faults, f)
	}
	out, err := simulate.Run(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	clock := func(at time.Time) string {
		if at.IsZero() {
			return "-"
		}
		return at.Format("15:04:05")
	}
	for _, r := range out.Runs {
		line := fmt.Sprintf("%s %s %s %s %s-%s", clock(r.Due), r.Job, r.State, r.Host(), clock(r.StartedAt), clock(r.EndedAt))
		reason, _, _ := strings.Cut(r.Reason, ":")
		lines = append(lines, strings.TrimSpace(line+" "+reason))
	}
	return strings.Join(lines, "\n")
}

func TestStories(t *testing.T) {
	t.Parallel()
	ssh, agents := servers("ssh://x", "web-1", "web-2"), servers(fleet.ByAgent, "i-1", "i-2")
	change := func(j job.Job, f func(*job.Job)) job.Job { f(&j); return j }
	hourly := nightly("j", "0 * * * *")
	minutely := nightly("j", "* * * * *")
	tests := []struct {
		name   string
		job    job.Job
		hosts  []fleet.Host
		to     time.Duration
		faults []string
		want   string
	}{
		{"as usual", hourly, ssh, 2 * time.Hour, nil,
			"01:00:00 j succeeded web-1 01:00:00-01:00:01\n02:00:00 j succeeded web-1 02:00:00-02:00:01"},
		{"a host is dead and nobody knows yet", hourly, ssh, time.Hour, []string{"host-dies web-1 @00:59:50"},
			"01:00:00 j succeeded web-2 01:00:00-01:00:01"},
		{"all hosts are dead", hourly, ssh, time.Hour, []string{"host-dies web-1 @00:30", "host-dies web-2 @00:30"},
			"01:00:00 j skipped  --01:01:00 no host"},
		{"a host comes back in time", hourly, ssh, time.Hour, []string{"host-dies web-1 @00:30", "host-dies web-2 00:30..01:00:10"},
			"01:00:00 j succeeded web-2 01:00:31-01:00:32"},
		{"a host dies during the command and comes back", hourly, ssh, 119 * time.Minute,
			[]string{"command-takes j 10m", "host-dies web-1 01:05..01:30"},
			"01:00:00 j lost web-1 01:00:00-01:30:00 the host was restarted during the run"},
		{"a host dies for good", hourly, ssh, 119 * time.Minute, []string{"command-takes j 10m", "host-dies web-1 @01:05"},
			"01:00:00 j lost web-1 01:00:00-02:02:00 host web-1 did not answer"},
		{"idempotent", change(hourly, func(j *job.Job) { j.Idempotent = true }), ssh, 119 * time.Minute,
			[]string{"command-takes j 10m", "host-dies web-1 @01:05"},
			"01:00:00 j succeeded web-2 02:02:00-02:12:00"},
		{"a host is away when its command ends", hourly, ssh, 119 * time.Minute,
			[]string{"command-takes j 10m", "host-dies web-1 01:10:30..05:00"},
			"01:00:00 j succeeded web-1 01:00:00-01:10:00"},
		{"the command fails, then doesn't", change(hourly, func(j *job.Job) { j.Retry.Attempts = 2 }), ssh, time.Hour,
			[]string{"command-fails j 01:00..01:00:10"},
			"01:00:00 j succeeded web-1 01:00:11-01:00:12"},
		{"the command fails", hourly, ssh, time.Hour, []string{"command-fails j"},
			"01:00:00 j failed web-1 01:00:00-01:00:01"},
		{"timeout", hourly, ssh, time.Hour, []string{"command-takes j 2h"},
			"01:00:00 j timed_out web-1 01:00:00-02:00:00"},
		{"overlap", minutely, ssh, 3 * time.Minute, []string{"command-takes j 90s"},
			"00:01:00 j succeeded web-1 00:01:00-00:02:30\n00:02:00 j skipped  --00:02:00 overlap\n00:03:00 j succeeded web-1 00:03:00-00:04:30"},
		{"waiting", change(minutely, func(j *job.Job) { j.Overlap = job.BufferAll }), ssh, 3 * time.Minute, []string{"command-takes j 90s"},
			"00:01:00 j succeeded web-1 00:01:00-00:02:30\n00:02:00 j succeeded web-1 00:02:30-00:04:00\n00:03:00 j succeeded web-1 00:04:00-00:05:30"},
		{"replacing", change(minutely, func(j *job.Job) { j.Overlap = job.TerminateOther }), ssh, 2 * time.Minute, []string{"command-takes j 90s"},
			"00:01:00 j cancelled web-1 00:01:00-00:02:00 overlap\n00:02:00 j cancelled web-1 00:02:00-00:03:00 overlap"},
		{"no scheduler", hourly, ssh, 3 * time.Hour, []string{"scheduler-down 00:30..02:05"},
			"01:00:00 j skipped  --02:05:00 missed\n02:00:00 j succeeded web-1 02:05:00-02:05:01\n03:00:00 j succeeded web-1 03:00:00-03:00:01"},
		{"catching up", change(hourly, func(j *job.Job) { j.Catchup.Mode = job.CatchupAll; j.Overlap = job.BufferAll }), ssh, 130 * time.Minute,
			[]string{"scheduler-down 00:30..02:05"},
			"01:00:00 j succeeded web-1 02:05:00-02:05:01\n02:00:00 j succeeded web-1 02:05:01-02:05:02"},
		{"no scheduler when the command ends", hourly, ssh, 119 * time.Minute, []string{"command-takes j 10m", "scheduler-down 01:05..01:50"},
			"01:00:00 j succeeded web-1 01:00:00-01:10:00"},
		{"an order is late", hourly, agents, time.Hour, []string{"slow-delivery i-1 5m"},
			"01:00:00 j succeeded i-2 01:03:00-01:03:01"},
		{"an order is late but not too late", hourly, agents, time.Hour, []string{"slow-delivery i-1 90s"},
			"01:00:00 j succeeded i-1 01:01:30-01:01:31"},
		{"the fault is too late for an order", hourly, agents, time.Hour, []string{"slow-delivery i-1 5m 00:10..00:20"},
			"01:00:00 j succeeded i-1 01:00:00-01:00:01"},
		{"an order waits for a dead host", hourly, agents, time.Hour, []string{"host-dies i-1 01:00..01:01"},
			"01:00:00 j succeeded i-2 01:00:00-01:00:01"},
		{"a go is late", hourly, ssh, time.Hour, []string{"slow-delivery web-1 30s"},
			"01:00:00 j succeeded web-1 01:00:30-01:00:31"},
		{"a go is too late", hourly, ssh, time.Hour, []string{"slow-delivery web-1 5m"},
			"01:00:00 j succeeded web-2 01:01:00-01:01:01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := simulate.World{Jobs: []job.Job{tt.job}, Hosts: tt.hosts, From: midnight, To: midnight.Add(tt.to)}
			if got := story(t, w, tt.faults...); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

// A leap year of due times, and a day without the hour that clocks skip.
func TestYears(t *testing.T) {
	t.Parallel()
	w := simulate.World{
		Jobs:  []job.Job{nightly("berlin", "30 2 * * *"), nightly("utc", "@daily")},
		Hosts: servers("local", "here"), From: time.Date(2027, 12, 31, 12, 0, 0, 0, time.UTC), To: time.Date(2028, 12, 31, 12, 0, 0, 0, time.UTC),
	}
	w.Jobs[0].When.Zone, w.Jobs[0].When.Gap = "Europe/Berlin", schedule.GapSkip
	out, err := simulate.Run(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if want := 366 + 365; out.Due != want || len(out.Runs) != want || len(out.Starts) != want {
		t.Errorf("%d due times, %d runs, %d starts, want %d", out.Due, len(out.Runs), len(out.Starts), want)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	w := simulate.World{Jobs: []job.Job{nightly("j", "* * * * *")}, Hosts: servers("local", "here"), From: midnight, To: midnight.AddDate(0, 0, 1)}
	many := w
	many.Most = 1439
	if _, err := simulate.Run(t.Context(), many); !errors.Is(err, simulate.ErrTooMany) {
		t.Errorf("one due time too many: %v", err)
	}
	many.Most++
	if out, err := simulate.Run(t.Context(), many); err != nil || len(out.Runs) != 1440 {
		t.Errorf("%d runs, %v", len(out.Runs), err)
	}
	late := w
	late.Faults = []simulate.Fault{{Kind: simulate.HostDies, Name: "here", From: w.To.Add(1)}}
	var bad *simulate.FaultError
	if _, err := simulate.Run(t.Context(), late); !errors.As(err, &bad) {
		t.Errorf("a fault after the end: %v", err)
	}
	w.To = w.From
	if _, err := simulate.Run(t.Context(), w); err == nil {
		t.Error("a world without time")
	}
}

func TestParseFault(t *testing.T) {
	t.Parallel()
	from := midnight.Add(2 * time.Hour)
	tests := []struct {
		text string
		want simulate.Fault
	}{
		{"host-dies web-2 @02:01", simulate.Fault{Kind: simulate.HostDies, Name: "web-2", From: midnight.Add(2*time.Hour + time.Minute)}},
		{"host-back web-2 @01:30:30", simulate.Fault{Kind: simulate.HostBack, Name: "web-2", From: midnight.Add(25*time.Hour + 30*time.Minute + 30*time.Second)}},
		{"host-dies web-2 2026-11-23..2026-11-24T01:00:00+01:00", simulate.Fault{Kind: simulate.HostDies, Name: "web-2", From: midnight.AddDate(0, 0, 1), Until: midnight.AddDate(0, 0, 2)}},
		{"scheduler-down 23:00..01:00", simulate.Fault{Kind: simulate.SchedulerDown, From: midnight.Add(23 * time.Hour), Until: midnight.Add(25 * time.Hour)}},
		{"command-fails j", simulate.Fault{Kind: simulate.CommandFails, Name: "j"}},
		{"command-takes j  2h @2026-12-01", simulate.Fault{Kind: simulate.CommandTakes, Name: "j", For: 2 * time.Hour, From: midnight.AddDate(0, 0, 9)}},
		{"slow-delivery i-1 90s", simulate.Fault{Kind: simulate.SlowDelivery, Name: "i-1", For: 90 * time.Second}},
	}
	for _, tt := range tests {
		if got, err := simulate.ParseFault(tt.text, from); err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v", tt.text, got, err)
		}
		if again, err := simulate.ParseFault(tt.want.String(), from); err != nil || again != tt.want {
			t.Errorf("%s: %+v, %v", tt.want, again, err)
		}
	}
	for _, k := range simulate.Kinds {
		example, _, _ := strings.Cut(k.Example(), ",")
		if _, err := simulate.ParseFault(example, from); err != nil {
			t.Errorf("%s: %v", example, err)
		}
	}
}

func TestBadFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, problem, remedy string }{
		{"", "empty", "host-dies web-2 @02:01"},
		{"host-died web-2", "no fault host-died", "the faults are host-dies"},
		{"host-dies", "names no host", "write it like host-dies web-2 @02:01"},
		{"host-dies @02:01", "names no host", "write it like"},
		{"host-dies web-2", "does not say when", "write it like"},
		{"host-dies web-2 02:01", "is no time; want @TIME", "write it like"},
		{"host-dies web-2 @25:00", "is no time such as", "write it like"},
		{"host-dies web-2 @02:00 again", "too much", "write it like"},
		{"host-back web-2 02:00..03:00", "is a span", "write it like host-back"},
		{"scheduler-down @02:00", "is no span", "scheduler-down 02:00..02:40"},
		{"scheduler-down 2026-11-23..2026-11-23", "ends before it begins", "write it like"},
		{"command-takes j", "no length of time", "command-takes nightly 2h"},
		{"command-takes j -2h", "no length of time", "write it like"},
		{"slow-delivery i-1 forever", "no length of time", "write it like"},
	} {
		_, err := simulate.ParseFault(tt.text, midnight)
		var bad *simulate.FaultError
		if !errors.As(err, &bad) || !strings.Contains(bad.Problem, tt.problem) || !strings.Contains(bad.Remedy, tt.remedy) {
			t.Errorf("%q: %v; %+v", tt.text, err, bad)
		}
	}
	w := simulate.World{Jobs: []job.Job{nightly("j", "@daily")}, Hosts: servers("local", "here"), From: midnight, To: midnight.AddDate(0, 0, 1)}
	for _, f := range []simulate.Fault{{Kind: simulate.HostDies, Name: "there"}, {Kind: simulate.CommandFails, Name: "k"}} {
		w.Faults = []simulate.Fault{f}
		_, err := simulate.Run(t.Context(), w)
		var bad *simulate.FaultError
		if !errors.As(err, &bad) || !strings.Contains(bad.Remedy, "s are ") {
			t.Errorf("%v: %v", f, err)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	for _, k := range simulate.Kinds {
		f.Add(k.Example())
	}
	f.Add("command-takes j 2h 02:00..03:00")
	f.Add("host-dies web-2 2026-11-23..2026-11-24T01:00:00+01:00")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := simulate.ParseFault(text, midnight)
		var bad *simulate.FaultError
		switch {
		case err != nil && (!errors.As(err, &bad) || bad.Remedy == ""):
			t.Errorf("%q: %v without a remedy", text, err)
		case err == nil && !got.Until.IsZero() && !got.Until.After(got.From):
			t.Errorf("%q: %+v", text, got)
		}
	})
}

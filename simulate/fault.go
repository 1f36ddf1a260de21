package simulate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is what goes wrong, or is otherwise than usual.
type Kind string

// The kinds of faults.
const (
	HostDies      Kind = "host-dies"      // what runs there dies too, and nothing answers
	HostBack      Kind = "host-back"      // with its run directories
	SchedulerDown Kind = "scheduler-down" // and started again
	CommandFails  Kind = "command-fails"  // with exit code 1
	CommandTakes  Kind = "command-takes"
	SlowDelivery  Kind = "slow-delivery" // what is sent to the host takes so long to arrive
)

// Fault is a scripted event, or a span of time in which something is otherwise.
// The faults of commands are those of the commands that start in the span, and
// of two that contradict each other the later one in the list counts.
type Fault struct {
	Kind Kind
	Name string // of the host or the job; empty for the scheduler
	// From is when it begins; zero for always. Until is when it is over; zero for
	// never.
	From, Until time.Time
	For         time.Duration // of CommandTakes and SlowDelivery
}

// String is the fault as [ParseFault] reads it.
func (f Fault) String() string {
	words := []string{string(f.Kind)}
	if f.Name != "" {
		words = append(words, f.Name)
	}
	if forms[f.Kind].long {
		words = append(words, f.For.String())
	}
	switch {
	case !f.Until.IsZero():
		words = append(words, f.From.Format(time.RFC3339)+".."+f.Until.Format(time.RFC3339))
	case !f.From.IsZero():
		words = append(words, "@"+f.From.Format(time.RFC3339))
	}
	return strings.Join(words, " ")
}

// subject is what a fault's name names.
type subject string

const (
	aHost  subject = "host"
	aJob   subject = "job"
	nobody subject = ""
)

// form is how a kind of fault is written.
type form struct {
	of   subject
	long bool // it has a length
	when when
	like string // the rest of an example
}

// when is what a fault says of its time.
type when int

const (
	anyTime when = iota // nothing, or an instant, or a span
	instant             // an instant
	instantOrSpan
	span
)

var forms = map[Kind]form{
	HostDies:      {of: aHost, when: instantOrSpan, like: "web-2 @02:01"},
	HostBack:      {of: aHost, when: instant, like: "web-2 @03:30"},
	SchedulerDown: {when: span, like: "02:00..02:40"},
	CommandFails:  {of: aJob, like: "nightly, or nightly 02:00..03:00"},
	CommandTakes:  {of: aJob, long: true, like: "nightly 2h, or nightly 2h @02:00"},
	SlowDelivery:  {of: aHost, long: true, like: "web-2 5m, or web-2 5m 02:00..03:00"},
}

// Kinds are all of them, in the order in which they are told to people.
var Kinds = []Kind{HostDies, HostBack, SchedulerDown, CommandFails, CommandTakes, SlowDelivery}

// Example is how a fault of the kind may be written.
func (k Kind) Example() string { return string(k) + " " + forms[k].like }

func (k Kind) subject() subject { return forms[k].of }

// FaultError says what is wrong with a fault, and how to write it.
type FaultError struct {
	Fault, Problem, Remedy string
}

func (e *FaultError) Error() string { return fmt.Sprintf("fault %q: %s", e.Fault, e.Problem) }

// ParseFault reads a fault: its kind, then the host or job, then a length of
// time, then when: "@TIME" for from then on, or "TIME..TIME". A TIME is
// 2026-11-22T02:01:00Z, 2026-11-22 for its midnight, or 02:01 or 02:01:30 for
// the first such time after from; all of them are UTC. The error is a
// [*FaultError].
func ParseFault(text string, from time.Time) (Fault, error) {
	words := strings.Fields(text)
	refuse := func(remedy, problem string, args ...any) (Fault, error) {
		return Fault{}, &FaultError{text, fmt.Sprintf(problem, args...), remedy}
	}
	if len(words) == 0 {
		return refuse("write one such as "+HostDies.Example(), "it is empty")
	}
	f := Fault{Kind: Kind(words[0])}
	form, ok := forms[f.Kind]
	if !ok {
		var kinds []string
		for _, k := range Kinds {
			kinds = append(kinds, string(k))
		}
		return refuse("the faults are "+strings.Join(kinds, ", "), "there is no fault %s", words[0])
	}
	remedy := "write it like " + f.Kind.Example()
	words = words[1:]
	next := func() string {
		if len(words) == 0 {
			return ""
		}
		word := words[0]
		words = words[1:]
		return word
	}
	if form.of != nobody {
		if f.Name = next(); f.Name == "" || f.Name[0] == '@' {
			return refuse(remedy, "it names no %s", form.of)
		}
	}
	if form.long {
		var err error
		word := next()
		if f.For, err = time.ParseDuration(word); err != nil || f.For < 0 || f.For > longest {
			return refuse(remedy, "%q is no length of time from 0s to %s", word, longest)
		}
	}
	if len(words) > 1 {
		return refuse(remedy, "%q is too much", strings.Join(words[1:], " "))
	}
	if err := f.setTime(next(), form.when, from); err != nil {
		return refuse(remedy, "%v", err)
	}
	return f, nil
}

// longest is how long a command or a delivery may take.
const longest = 100 * 24 * time.Hour

// setTime reads when the fault is.
func (f *Fault) setTime(word string, want when, from time.Time) error {
	at, isInstant := strings.CutPrefix(word, "@")
	first, last, isSpan := strings.Cut(at, "..")
	switch {
	case word == "" && want == anyTime:
		return nil
	case word == "":
		return errors.New("it does not say when")
	case isSpan && want == instant:
		return fmt.Errorf("%q is a span of time; want @TIME", word)
	case !isSpan && want == span:
		return fmt.Errorf("%q is no span of time; want TIME..TIME", word)
	case !isSpan && !isInstant:
		return fmt.Errorf("%q is no time; want @TIME or TIME..TIME", word)
	}
	var err error
	if f.From, err = parseTime(first, from); err != nil || !isSpan {
		return err
	}
	if f.Until, err = parseTime(last, f.From); err == nil && !f.Until.After(f.From) {
		err = fmt.Errorf("%q ends before it begins", word)
	}
	return err
}

// parseTime reads a time; one without a date is the first such after the given.
func parseTime(text string, after time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	for _, layout := range []string{time.TimeOnly, "15:04"} {
		clock, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		after = after.UTC()
		t := time.Date(after.Year(), after.Month(), after.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, time.UTC)
		if !t.After(after) {
			t = t.AddDate(0, 0, 1)
		}
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is no time such as 02:01 or 2026-11-22T02:01:00Z", text)
}

// among reports a name that none of the known ones is.
func (f Fault) among(known []string) error {
	if slices.Contains(known, f.Name) {
		return nil
	}
	const most = 10
	of := f.Kind.subject()
	remedy := fmt.Sprintf("there is no %s at all", of)
	if len(known) > 0 {
		remedy = fmt.Sprintf("the %ss are %s", of, strings.Join(known[:min(len(known), most)], ", "))
		if more := len(known) - most; more > 0 {
			remedy += fmt.Sprintf(" and %d more", more)
		}
	}
	return &FaultError{f.String(), fmt.Sprintf("there is no %s %s", of, f.Name), remedy}
}

// covers reports whether the fault is in force at t.
func (f Fault) covers(t time.Time) bool {
	return !t.Before(f.From) && (f.Until.IsZero() || t.Before(f.Until))
}

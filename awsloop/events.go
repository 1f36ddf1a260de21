package awsloop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Events is EventBridge's default bus: rules that bring events, those of
// Systems Manager above all, to functions.
type Events struct {
	server *Server
	lambda *Lambda
	clock  *Clock
	mail   mail

	mu      sync.Mutex
	changed chan struct{}
	rules   map[string]*rule
}

// busEvent is how EventBridge writes events.
type busEvent struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     any      `json:"detail"`
}

// rule has a pattern, or a schedule, or both.
type rule struct {
	name, description, role string
	patternText, schedule   string
	enabled                 bool
	pattern                 pattern    // nil if there is none
	expression              expression // zero if there is none
	since, next             time.Time  // of the schedule
	targets                 []ruleTarget
}

// ruleTarget is a rule's function, and what it gets instead of the event.
type ruleTarget struct {
	Id, Arn string //nolint:revive,staticcheck // as on the wire
	Input   string // JSON; empty for the event itself
}

// NewEvents answers the server's requests for the service "events", and gets
// the server's own events. Rules with a schedule fire by the clock after
// [Events.Start]. A nil clock is the machine's.
func NewEvents(s *Server, l *Lambda, clock *Clock) *Events {
	if clock == nil {
		clock = NewClock(time.Now(), 1)
	}
	b := &Events{
		server:  s,
		lambda:  l,
		clock:   clock,
		mail:    mail{server: s, knobs: func(k Knobs) DeliveryKnobs { return k.Events }},
		changed: make(chan struct{}, 1),
		rules:   map[string]*rule{},
	}
	s.Handle("events", b.operations())
	s.OnEvent(b.Put)
	return b
}

// Start has rules with a schedule fire by the clock until the server is closed.
func (b *Events) Start() {
	b.server.spawn(func(ctx context.Context) { b.clock.run(ctx, b.changed, b.fireDue) })
}

// AddRule brings the events that match a pattern to a function.
func (b *Events) AddRule(name, pattern string, f *Function) error {
	return b.add(name, putRuleInput{Name: name, EventPattern: pattern}, ruleTarget{Id: "1", Arn: f.ARN()})
}

// AddSchedule invokes a function by rate() or cron() in UTC, with the input; if
// that is empty, with the event of a schedule.
func (b *Events) AddSchedule(name, expression, input string, f *Function) error {
	return b.add(name, putRuleInput{Name: name, ScheduleExpression: expression}, ruleTarget{Id: "1", Arn: f.ARN(), Input: input})
}

func (b *Events) add(name string, in putRuleInput, t ruleTarget) error {
	_, ruleErr := b.putRule(context.Background(), &in)
	if ruleErr != nil {
		return fmt.Errorf("add rule %s: %w", name, ruleErr)
	}
	if _, err := b.putTargets(context.Background(), &putTargetsInput{Rule: name, Targets: []ruleTarget{t}}); err != nil {
		return fmt.Errorf("add rule %s: %w", name, err)
	}
	return nil
}

// Fire fires a rule's schedule for that time, whatever its state.
func (b *Events) Fire(name string, at time.Time) error {
	b.mu.Lock()
	r := b.rules[name]
	if r == nil {
		b.mu.Unlock()
		return fmt.Errorf("fire rule %s: there's none", name)
	}
	targets := r.targets
	b.mu.Unlock()
	b.deliver(b.scheduled(name, at), targets)
	return nil
}

// Put brings an event to the targets of each rule that it matches.
func (b *Events) Put(text []byte) {
	var e map[string]any
	if err := json.Unmarshal(text, &e); err != nil {
		b.server.log.Error("event dropped", "event", string(text), "err", err)
		return
	}
	b.mu.Lock()
	var targets []ruleTarget
	for _, name := range b.names() {
		if r := b.rules[name]; r.enabled && r.pattern != nil && r.pattern.matches(e) {
			targets = append(targets, r.targets...)
		}
	}
	b.mu.Unlock()
	b.deliver(text, targets)
}

// deliver sends the event to each target, under the knobs for Events. The
// function's queue is all that has to accept it; there is no other attempt.
func (b *Events) deliver(text []byte, targets []ruleTarget) {
	for _, t := range targets {
		payload := text
		if t.Input != "" {
			payload = []byte(t.Input)
		}
		b.mail.send(func() {
			f, err := b.lambda.Find(t.Arn)
			if err = errors.Join(err, checkAsync(payload)); err != nil {
				b.server.log.Error("event not delivered", "target", t.Arn, "event", string(payload), "err", err)
				return
			}
			f.accept(b.server.guid(), payload)
		})
	}
}

// fireDue fires the schedules that are due, in the order of their times, and
// returns when the next is.
func (b *Events) fireDue(now time.Time) (next time.Time) {
	type firing struct {
		at      time.Time
		rule    string
		targets []ruleTarget
	}
	var due []firing
	b.mu.Lock()
	for _, name := range b.names() {
		r := b.rules[name]
		for r.enabled && !r.next.IsZero() && !r.next.After(now) {
			due = append(due, firing{r.next, name, r.targets})
			r.advance(r.next)
		}
		if r.enabled && !r.next.IsZero() && (next.IsZero() || r.next.Before(next)) {
			next = r.next
		}
	}
	b.mu.Unlock()
	slices.SortStableFunc(due, func(x, y firing) int { return x.at.Compare(y.at) })
	for _, f := range due {
		b.deliver(b.scheduled(f.rule, f.at), f.targets)
	}
	return next
}

// names are the rules' in a fixed order. b.mu is held.
func (b *Events) names() []string { return slices.Sorted(maps.Keys(b.rules)) }

// advance sets the schedule's next due time after t.
func (r *rule) advance(t time.Time) {
	r.next = time.Time{}
	if next, ok := r.expression.next(t, r.since); r.schedule != "" && ok {
		r.next = next
	}
}

// scheduled is the event of a rule's schedule.
func (b *Events) scheduled(rule string, at time.Time) []byte {
	text, _ := json.Marshal(busEvent{ //nolint:errchkjson // strings
		Version: "0", ID: b.server.guid(), DetailType: "Scheduled Event", Source: "aws.events",
		Account: b.server.options.Account, Time: at.UTC().Format(time.RFC3339), Region: b.server.options.Region,
		Resources: []string{b.ruleARN(rule)}, Detail: struct{}{},
	})
	return text
}

func (b *Events) ruleARN(name string) string {
	return "arn:aws:events:" + b.server.options.Region + ":" + b.server.options.Account + ":rule/" + name
}

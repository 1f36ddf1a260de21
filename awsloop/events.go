package awsloop

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// Events is EventBridge's default bus: rules that bring events, those of
// Systems Manager above all, to functions.
type Events struct {
	server *Server
	lambda *Lambda
	inside *inside // nil if nobody asks about rights
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
	Id, Arn          string                  //nolint:revive,staticcheck // as on the wire
	Input            string                  // JSON; empty for the event itself
	DeadLetterConfig *types.DeadLetterConfig // the queue of what can't be delivered
	RetryPolicy      *types.RetryPolicy      // checked and kept: functions take all at once, or never
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
	b.deliver(name, b.scheduled(name, at), targets)
	return nil
}

// Put brings an event to the targets of each rule that it matches.
func (b *Events) Put(text []byte) {
	var e map[string]any
	if err := json.Unmarshal(text, &e); err != nil {
		b.server.log.Error("event dropped", "event", string(text), "err", err)
		return
	}
	for name, targets := range b.matching(e) {
		b.deliver(name, text, targets)
	}
}

// matching are the targets of the rules that match, by rule and in a fixed
// order.
func (b *Events) matching(e map[string]any) iter.Seq2[string, []ruleTarget] {
	b.mu.Lock()
	defer b.mu.Unlock()
	targets := map[string][]ruleTarget{}
	for name, r := range b.rules {
		if r.enabled && r.pattern != nil && r.pattern.matches(e) {
			targets[name] = r.targets
		}
	}
	return func(yield func(string, []ruleTarget) bool) {
		for _, name := range slices.Sorted(maps.Keys(targets)) {
			if !yield(name, targets[name]) {
				return
			}
		}
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
		b.deliver(f.rule, b.scheduled(f.rule, f.at), f.targets)
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

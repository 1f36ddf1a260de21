package awsloop

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// operations are those of EventBridge that are answered here.
func (b *Events) operations() rpc {
	return rpc{
		"PutRule":           op(b.putRule),
		"DescribeRule":      op(b.describeRule),
		"DeleteRule":        op(b.deleteRule),
		"EnableRule":        op(b.enableRule),
		"DisableRule":       op(b.disableRule),
		"ListRules":         op(b.listRules),
		"PutTargets":        op(b.putTargets),
		"RemoveTargets":     op(b.removeTargets),
		"ListTargetsByRule": op(b.listTargets),
		"PutEvents":         op(b.putEvents),
	}
}

type putRuleInput struct {
	Name, ScheduleExpression, EventPattern string
	State, Description, RoleArn            string
	EventBusName                           string
	Tags                                   []struct{ Key, Value string }
}

type putRuleOutput struct{ RuleArn string }

type nothing struct{}

// putRule makes a rule, or replaces all of it but its targets.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
func (b *Events) putRule(_ context.Context, in *putRuleInput) (*putRuleOutput, error) {
	now := b.clock.Now()
	r := &rule{
		name: in.Name, description: in.Description, role: in.RoleArn,
		patternText: in.EventPattern, schedule: in.ScheduleExpression,
		enabled: in.State != "DISABLED",
	}
	switch {
	case !nameForm.MatchString(in.Name):
		return nil, notValid("Name " + in.Name)
	case !oneOf(in.EventBusName, "", "default"):
		return nil, missing("Event bus " + in.EventBusName + " does not exist.")
	case !oneOf(in.State, "", "ENABLED", "DISABLED"):
		return nil, notValid("State " + in.State)
	case r.patternText == "" && r.schedule == "":
		return nil, notValid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	case len(r.patternText) > 2048:
		return nil, refusal("InvalidEventPatternException", "Event pattern is longer than 2048 characters")
	}
	if r.patternText != "" {
		var err error
		if r.pattern, err = parsePattern(r.patternText); err != nil {
			return nil, refusal("InvalidEventPatternException", "Event pattern is not valid. Reason: "+err.Error())
		}
	}
	if r.schedule != "" {
		if err := r.parse(now); err != nil {
			return nil, notValid("Parameter ScheduleExpression is not valid: " + err.Error())
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if old := b.rules[in.Name]; old != nil {
		r.targets = old.targets
	}
	b.rules[in.Name] = r
	change(b.changed)
	return &putRuleOutput{b.ruleARN(in.Name)}, nil
}

// parse reads the schedule, which is in UTC. A rate is first due after its
// period.
func (r *rule) parse(now time.Time) (err error) {
	if strings.HasPrefix(r.schedule, "at(") {
		return fmt.Errorf("%s is for schedules", r.schedule)
	}
	if r.expression, err = parseExpression(r.schedule, time.UTC); err != nil {
		return err
	}
	r.since = now
	r.advance(now)
	return nil
}

type ruleInput struct {
	Name, EventBusName string
	Force              bool
}

// ruleOutput is what DescribeRule and ListRules tell about a rule.
type ruleOutput struct {
	Name, Arn, State                 string
	EventPattern, ScheduleExpression string
	Description, RoleArn             string
	EventBusName                     string
}

func (b *Events) output(r *rule) ruleOutput {
	state := "DISABLED"
	if r.enabled {
		state = "ENABLED"
	}
	return ruleOutput{r.name, b.ruleARN(r.name), state, r.patternText, r.schedule, r.description, r.role, "default"}
}

// rule finds one by name. b.mu is held.
func (b *Events) rule(name, bus string) (*rule, error) {
	if r := b.rules[name]; r != nil && oneOf(bus, "", "default") {
		return r, nil
	}
	return nil, missing("Rule " + name + " does not exist on EventBus " + cmp.Or(bus, "default") + ".")
}

func (b *Events) describeRule(_ context.Context, in *ruleInput) (*ruleOutput, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.rule(in.Name, in.EventBusName)
	if err != nil {
		return nil, err
	}
	out := b.output(r)
	return &out, nil
}

func (b *Events) deleteRule(_ context.Context, in *ruleInput) (*nothing, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.rules[in.Name]; r != nil && len(r.targets) > 0 {
		return nil, notValid("Rule can't be deleted since it has targets.")
	}
	delete(b.rules, in.Name)
	return &nothing{}, nil
}

func (b *Events) enableRule(_ context.Context, in *ruleInput) (*nothing, error) {
	return b.enable(in, true)
}

func (b *Events) disableRule(_ context.Context, in *ruleInput) (*nothing, error) {
	return b.enable(in, false)
}

func (b *Events) enable(in *ruleInput, enabled bool) (*nothing, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.rule(in.Name, in.EventBusName)
	if err != nil {
		return nil, err
	}
	if enabled && !r.enabled {
		r.advance(b.clock.Now())
	}
	r.enabled = enabled
	change(b.changed)
	return &nothing{}, nil
}

type listRulesInput struct {
	NamePrefix, EventBusName, NextToken string
	Limit                               int
}

type listRulesOutput struct{ Rules []ruleOutput }

// listRules has but one page.
func (b *Events) listRules(_ context.Context, in *listRulesInput) (*listRulesOutput, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := &listRulesOutput{Rules: []ruleOutput{}}
	for _, name := range b.names() {
		if strings.HasPrefix(name, in.NamePrefix) {
			out.Rules = append(out.Rules, b.output(b.rules[name]))
		}
	}
	return out, nil
}

type putTargetsInput struct {
	Rule, EventBusName string
	Targets            []ruleTarget
}

type failures struct {
	FailedEntryCount int
	FailedEntries    []nothing
}

var noFailures = &failures{FailedEntries: []nothing{}}

// putTargets adds targets, in the place of those with the same ID.
func (b *Events) putTargets(_ context.Context, in *putTargetsInput) (*failures, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.rule(in.Rule, in.EventBusName)
	if err != nil {
		return nil, err
	}
	targets := slices.Clone(r.targets)
	for _, t := range in.Targets {
		switch {
		case !nameForm.MatchString(t.Id):
			return nil, notValid("Targets: Id " + t.Id)
		case !lambdaARN.MatchString(t.Arn):
			return nil, notValid("Parameter " + t.Arn + " is not valid. Reason: Provided Arn is not a function's.")
		case t.DeadLetterConfig != nil && !queueForm.MatchString(aws.ToString(t.DeadLetterConfig.Arn)):
			return nil, notValid("Parameter DeadLetterConfig.Arn of " + t.Id + " is not a queue's.")
		case t.RetryPolicy != nil && !validRetries(t.RetryPolicy):
			return nil, notValid("Parameter RetryPolicy of " + t.Id + ": MaximumRetryAttempts is in 0-185, MaximumEventAgeInSeconds in 60-86400.")
		case t.Input != "" && (!json.Valid([]byte(t.Input)) || len(t.Input) > 8192):
			return nil, notValid("Targets: Input of " + t.Id + " is not JSON of at most 8192 characters")
		}
		targets = append(without(targets, t.Id), t)
	}
	if len(targets) > 5 {
		return nil, refusal("LimitExceededException", "a rule has at most 5 targets")
	}
	r.targets = targets
	return noFailures, nil
}

func validRetries(p *types.RetryPolicy) bool {
	return (p.MaximumRetryAttempts == nil || within(p.MaximumRetryAttempts, 0, 185)) &&
		(p.MaximumEventAgeInSeconds == nil || within(p.MaximumEventAgeInSeconds, 60, 86400))
}

func without(targets []ruleTarget, ids ...string) []ruleTarget {
	return slices.DeleteFunc(slices.Clone(targets), func(t ruleTarget) bool { return slices.Contains(ids, t.Id) })
}

type removeTargetsInput struct {
	Rule, EventBusName string
	IDs                []string `json:"Ids"`
	Force              bool
}

func (b *Events) removeTargets(_ context.Context, in *removeTargetsInput) (*failures, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.rule(in.Rule, in.EventBusName)
	if err != nil {
		return nil, err
	}
	r.targets = without(r.targets, in.IDs...)
	return noFailures, nil
}

type listTargetsInput struct {
	Rule, EventBusName, NextToken string
	Limit                         int
}

type listTargetsOutput struct{ Targets []ruleTarget }

func (b *Events) listTargets(_ context.Context, in *listTargetsInput) (*listTargetsOutput, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.rule(in.Rule, in.EventBusName)
	if err != nil {
		return nil, err
	}
	return &listTargetsOutput{append([]ruleTarget{}, r.targets...)}, nil
}

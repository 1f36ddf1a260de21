package template

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/policy"
)

// build puts all resources together.
func (t *Template) build(roles []policy.Role) error {
	i := t.installation
	functionRole, err := t.roles(roles)
	if err != nil {
		return err
	}
	if !t.options.Adopt {
		t.add("Table", newTable(i.Name)).keep = true
	}
	t.people()
	t.document()
	t.add("ScheduleGroup", scheduleGroup{i.Group()})
	t.queue("ScheduleQueue", i.ScheduleQueue())
	undelivered := t.queue("EventQueue", i.EventQueue())
	f, err := t.function(functionRole, undelivered)
	if err != nil {
		return err
	}
	t.rules(f, undelivered)
	t.alarms()
	t.outputs = append(t.outputs, output{"TableName", "Table of the ledger", text(i.Name)})
	return nil
}

// roles adds the roles and returns the function's.
func (t *Template) roles(roles []policy.Role) (functionRole *Resource, err error) {
	i := t.installation
	ids := map[string]string{i.FunctionRole(): "FunctionRole", i.SchedulerRole(): "SchedulerRole", i.ReportRole(): "ReportRole"}
	for _, p := range roles {
		id := ids[p.Name]
		if id == "" {
			return nil, fmt.Errorf("role %s has no place in the stack", p.Name)
		}
		r := t.add(id, newRole(p))
		if p.Name == i.FunctionRole() {
			functionRole = r
		}
	}
	if functionRole == nil {
		return nil, fmt.Errorf("role %s is missing", i.FunctionRole())
	}
	return functionRole, nil
}

// people adds the topics and who hears of them.
func (t *Template) people() {
	for _, named := range t.installation.Topics() {
		id := "Topic" + camel(named.Name)
		made := t.add(id, topic{named.Name})
		t.topics[stack.TopicARN(named.Name)] = made
		t.outputs = append(t.outputs, output{id + "Arn", "Topic " + named.Name, made.ref()})
		for _, address := range named.Email {
			t.add(id+"Email"+short(address), subscription{made.ref(), "email", address})
		}
	}
}

// document adds what commands are sent with, unless that is AWS's own. It is for
// targets of any type: a change of nothing but the type may be taken for none.
func (t *Template) document() {
	i := t.installation
	if !i.OwnDocument() {
		return
	}
	t.add("Document", sendDocument{
		Name: i.File.Fleet.EC2.Document, DocumentType: "Command", DocumentFormat: "JSON",
		TargetType: "/", UpdateMethod: "NewVersion", Content: raw(guard.Document()),
	})
}

// queue adds a dead-letter queue, which keeps what it gets as long as SQS can.
func (t *Template) queue(id, name string) *Resource {
	const fourteenDays = 14 * 24 * 60 * 60
	return t.add(id, queue{name, fourteenDays, true})
}

// What the function is given. A due time takes it a second; the longest is a
// sweep after an outage, which goes on where the one before it stopped.
const (
	timeout   = 60  // seconds
	memory    = 256 // MB
	retention = 30  // days of its log
	attempts  = 2   // after the first; the most that Lambda makes
	oneHour   = 60 * 60
)

func (t *Template) function(role, undelivered *Resource) (*Resource, error) {
	i := t.installation
	settings, err := i.Settings()
	if err != nil {
		return nil, err
	}
	log := t.add("LogGroup", logGroup{i.LogGroup(), retention})
	f := t.add("Function", function{
		FunctionName: i.Name, Description: "solocron's scheduler", Role: role.arn(),
		Runtime: "provided.al2023", Handler: "bootstrap", Architectures: []string{t.options.Architecture},
		Timeout: timeout, MemorySize: memory, Code: code{CodeBucket, CodeKey},
		Environment: environment{map[string]text{stack.SettingsVariable: text(settings)}},
		// The function's own lines are JSON already.
		LoggingConfig: logging{"Text", log.ref()},
	})
	t.add("FunctionInvocations", invocations{
		FunctionName: f.ref(), Qualifier: "$LATEST", MaximumRetryAttempts: attempts, MaximumEventAgeInSeconds: oneHour,
		DestinationConfig: destinations{destination{undelivered.arn()}},
	})
	t.outputs = append(t.outputs, output{"FunctionArn", "The function, for solocron --function", f.arn()})
	return f, nil
}

// invocationChanged is what SSM says of a command on one instance. Its events
// of commands as a whole name no instance.
const invocationChanged = "EC2 Command Invocation Status-change Notification"

// rules adds what wakes the function beside schedules: the sweep of every
// minute, and what SSM says of commands. A sweep that comes late is of no use
// since the next one is there already.
func (t *Template) rules(f, undelivered *Resource) {
	i := t.installation
	to := target{
		ID: "function", Arn: f.arn(),
		RetryPolicy: retryPolicy{MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 2}, DeadLetterConfig: deadLetters{undelivered.arn()},
	}
	sweep := to
	sweep.Input = &embedded{struct {
		Sweep bool `json:"sweep"`
	}{true}}
	t.rule("Sweep", f, rule{
		Name: i.SweepRule(), Description: "Looks after due times and runs that no event told of", State: "ENABLED",
		ScheduleExpression: "rate(1 minute)", Targets: []target{sweep},
	})
	to.RetryPolicy = retryPolicy{MaximumEventAgeInSeconds: oneHour, MaximumRetryAttempts: 185}
	t.rule("Command", f, rule{
		Name: i.CommandRule(), Description: "Tells that something happened to a command", State: "ENABLED",
		EventPattern: &pattern{[]string{"aws.ssm"}, []string{invocationChanged}, patternDetail{[]string{i.File.Fleet.EC2.Document}}},
		Targets:      []target{to},
	})
	t.add("EventQueuePolicy", queuePolicy{Queues: []reference{undelivered.ref()}, PolicyDocument: t.mayBury()})
}

func (t *Template) rule(id string, f *Resource, p rule) {
	r := t.add(id+"Rule", p)
	t.add(id+"Permission", permission{FunctionName: f.ref(), Action: "lambda:InvokeFunction", Principal: eventBridge, SourceArn: r.arn()})
}

const eventBridge = "events.amazonaws.com"

// mayBury lets the rules send what they could not deliver.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
func (t *Template) mayBury() document {
	i := t.installation
	rules := texts([]string{stack.RuleARN(i.SweepRule()), stack.RuleARN(i.CommandRule())})
	return document{policyVersion, []statement{{
		Sid: "Rules", Effect: "Allow", Principal: &principal{eventBridge},
		Action: []string{"sqs:SendMessage"}, Resource: texts([]string{stack.QueueARN(i.EventQueue())}),
		Condition: condition{"ArnEquals": {"aws:SourceArn": rules}},
	}}}
}

// plainName has one camel form that no other plain name has.
var plainName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$`)

// camel is a topic's name as a part of an ID, which has letters and digits only.
// Other topics don't change it: another ID would be another resource.
func camel(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	if !plainName.MatchString(name) {
		b.WriteString(short(name))
	}
	return b.String()
}

// short names a text by its hash.
func short(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}

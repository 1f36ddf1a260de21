package deploy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/schedule"
	"github.com/solocron/solocron/stack"
)

// Whatever changes a job's hash changes a field that the plan shows. Only the
// name, which is the job's identity, and the seed, which is the name, don't.
func TestFieldsAreAll(t *testing.T) {
	var leaves func(v reflect.Value, path string, visit func(reflect.Value, string))
	leaves = func(v reflect.Value, path string, visit func(reflect.Value, string)) {
		if v.Kind() != reflect.Struct {
			visit(v, path)
			return
		}
		for n := range v.NumField() {
			leaves(v.Field(n), path+"."+v.Type().Field(n).Name, visit)
		}
	}
	before := daily("a")
	var after job.Job
	seen := 0
	leaves(reflect.ValueOf(&after).Elem(), "", func(v reflect.Value, path string) {
		if path == ".Name" || path == ".When.Seed" {
			return
		}
		seen++
		after = before
		switch v.Kind() {
		case reflect.String:
			v.SetString("other")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Int, reflect.Int64:
			v.SetInt(v.Int() + 7)
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			v.Index(0).SetString("other")
		case reflect.Map:
			v.Set(reflect.MakeMap(v.Type()))
			v.SetMapIndex(reflect.ValueOf("key"), reflect.ValueOf("other"))
		default:
			t.Fatalf("%s is %s", path, v.Kind())
		}
		if len(fieldChanges(before, after)) == 0 || len(fieldChanges(after, before)) == 0 {
			t.Errorf("a change of %s is not shown", path)
		}
	})
	if seen < 25 {
		t.Errorf("looked at %d fields", seen)
	}
}

// The keys are those of the jobs file.
func TestFieldKeys(t *testing.T) {
	known := []string{
		"schedule", "timezone", "except", "dst", "jitter", "command", "pick", "overlap", "start-within", "catchup", "timeout", "grace", "retry", "idempotent",
		"user", "dir", "shell", "output-limit", "notify", "claim", "protect", "hosts", "env", "secrets",
	}
	text := string(job.Schema())
	for _, key := range known {
		if !strings.Contains(text, `"`+key+`"`) {
			t.Errorf("the jobs file has no key %s", key)
		}
	}
	for _, f := range fields(job.Job{Hosts: fleet.Selector{"a": "b"}, Prefer: fleet.Selector{"a": "b"}, Env: map[string]string{"A": "b"}, Secrets: map[string]string{"A": "b"}}) {
		if head, _, _ := strings.Cut(f.key, "."); !slices.Contains(known, head) {
			t.Errorf("%s is no key of the jobs file", f.key)
		}
	}
}

func TestFieldChanges(t *testing.T) {
	before, after := daily("a"), daily("a")
	before.Env = map[string]string{"GONE": "1", "STAYS": "1"}
	after.Env = map[string]string{"NEW": "1", "STAYS": "1"}
	after.Timeout, after.Catchup.Within, after.Unclaimed = 90*time.Minute, 48*time.Hour, true
	want := []FieldChange{
		{"catchup.within", "", "48h"}, {"timeout", "1h", "1h30m"}, {"claim", "on", "off"}, {"env.NEW", "", "1"}, {"env.GONE", "1", ""},
	}
	if diff := cmp.Diff(want, fieldChanges(before, after)); diff != "" {
		t.Error(diff)
	}
}

func TestJobsOfAnotherVersion(t *testing.T) {
	j := daily("a")
	have := []dispatch.Deployed{{Name: "a", Hash: "other", Body: json.RawMessage(`{"when":["?"]}`)}, {Name: "b", Hash: "h", Body: json.RawMessage(`{"when":["?"]}`)}}
	d, err := diffJobs([]job.Job{j}, have, true, time.Now())
	if err != nil || len(d.changes) != 2 || d.changes[0].Action != Update || d.changes[1].Action != Delete || d.do.Put[0].From != "other" {
		t.Errorf("difference is %+v, %v", d, err)
	}
}

func TestChunks(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		var d dispatch.Deployment
		for n := range r.IntN(700) {
			size := 10
			if n%100 == 0 {
				size = r.IntN(maxBytes / 2)
			}
			d.Put = append(d.Put, dispatch.Edit{Body: json.RawMessage(`"` + strings.Repeat("x", size) + `"`)})
		}
		for n := range r.IntN(500) {
			d.Retire = append(d.Retire, dispatch.Leaver{Name: fmt.Sprint("job-", n), From: "h"})
		}
		var whole dispatch.Deployment
		for _, c := range chunks(d) {
			body, _ := json.Marshal(c)
			if n := len(c.Put) + len(c.Retire); n == 0 || n > maxJobs || len(body) > maxBytes {
				t.Fatalf("a chunk has %d jobs and %d bytes", n, len(body))
			}
			if len(c.Put) > 0 && len(whole.Retire) > 0 {
				t.Fatal("something is put after something was retired")
			}
			whole.Put, whole.Retire = append(whole.Put, c.Put...), append(whole.Retire, c.Retire...)
		}
		if !reflect.DeepEqual(d, whole) {
			t.Fatalf("seed %d: the chunks are not the whole", seed)
		}
	}
}

// Whatever a file goes through, apply brings the account to where it says, and
// nothing that isn't solocron's is touched.
func TestAnyHistory(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) { history(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func history(t *testing.T, r *rand.Rand) {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	c := newCloud()
	a := c.account()
	for range 5 {
		var jobs []job.Job
		for _, name := range []string{"a", "b", "c", "d"} {
			if r.IntN(3) == 0 {
				continue // not in the file
			}
			j := daily(name)
			j.Command, j.When.Expr = pick("true", "false"), pick("0 1 * * *", "0 1 1 * mon", "every 10m")
			jobs = append(jobs, j)
		}
		i := installation(t, jobs...)
		apply(t, a, i, Options{Prune: true})
		c.check(t, i)
		time.Sleep(time.Hour)
		for _, s := range c.schedules {
			if r.IntN(4) == 0 { // somebody is clever
				now, nightly := time.Now(), "cron(0 0 * * ? *)"
				s.LastModificationDate, s.ScheduleExpression = &now, &nightly
			}
		}
	}
}

const roleTemplate = `{"Resources":{"Role":{"Type":"AWS::IAM::Role","Properties":{"RoleName":"cron-function",
 "AssumeRolePolicyDocument":{"Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"%s}]},
 "Policies":[{"PolicyDocument":{"Statement":[%s]}}]}},"Topic":{"Type":"AWS::SNS::Topic"}}}`

func TestRights(t *testing.T) {
	const send = `{"Sid":"Send","Effect":"Allow","Action":["ssm:SendCommand"],"Resource":{"Fn::Sub":"arn:${AWS::Partition}:ssm:x"}%s}`
	const tell = `{"Sid":"Tell","Effect":"Allow","Action":"sns:Publish","Resource":[{"Ref":"Topic"}]}`
	narrow := fmt.Sprintf(send, `,"Condition":{"StringEquals":{"aws:ResourceTag/cron":"true"}}`)
	before := fmt.Sprintf(roleTemplate, "", narrow)
	for what, test := range map[string]struct {
		after string
		want  []string
	}{
		"nothing":   {before, nil},
		"wider":     {fmt.Sprintf(roleTemplate, "", fmt.Sprintf(send, "")), []string{"update Send"}},
		"one more":  {fmt.Sprintf(roleTemplate, "", narrow+","+tell), []string{"create Tell"}},
		"another":   {fmt.Sprintf(roleTemplate, "", tell), []string{"delete Send", "create Tell"}},
		"the trust": {fmt.Sprintf(roleTemplate, `,"Condition":{"StringEquals":{"aws:SourceAccount":"1"}}`, narrow), []string{"update Trust"}},
		"no role":   {`{"Resources":{}}`, []string{"delete Send", "delete Trust"}},
	} {
		list, err := diffRights(before, test.after, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range list {
			got = append(got, string(r.Action)+" "+r.Statement.Sid)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", what, got, test.want)
		}
	}
	all, err := rights(fmt.Sprintf(roleTemplate, "", narrow+","+tell))
	if err != nil || all["cron-function"]["Send"].Resources[0] != "arn:${AWS::Partition}:ssm:x" || all["cron-function"]["Tell"].Resources[0] != `{"Ref":"Topic"}` ||
		all["cron-function"]["Send"].Condition["StringEquals"]["aws:ResourceTag/cron"][0] != "true" || !strings.Contains(all["cron-function"]["Trust"].Needs, "lambda.amazonaws.com") {
		t.Errorf("rights are %+v, %v", all, err)
	}
}

func TestWarnings(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	with := func(name, expr, zone string) job.Job {
		j := daily(name)
		j.When = schedule.Spec{Expr: expr, Zone: zone, Gap: schedule.GapNext, Fold: schedule.FoldFirst, Seed: name}
		return j
	}
	late := with("late", "0 5 * * *", "UTC")
	late.StartWithin = 30 * time.Second
	hasty := with("hasty", "30 2 * * *", "Europe/Berlin")
	hasty.When.Gap, hasty.StartWithin = schedule.GapNext, 2*time.Minute
	dark := []Hosts{{Jobs: []string{"a", "b"}, Others: []Rejected{{"i-1", "stopped"}, {"i-2", "has no tag cron"}, {"i-3", "stopped"}}}}
	for _, test := range []struct {
		what  string
		jobs  []job.Job
		hosts []Hosts
		want  []string // in this order, and no others
	}{
		{"nothing", []job.Job{with("a", "0 5 * * *", "Europe/Berlin"), with("b", "*/5 * * * *", "Europe/Berlin")}, nil, nil},
		{"no host", []job.Job{with("a", "0 5 * * *", "UTC")}, dark, []string{"no host can run jobs a, b now: 2 stopped, 1 has no tag cron"}},
		{"an empty fleet", []job.Job{with("a", "0 5 * * *", "UTC")}, []Hosts{{Jobs: []string{"a"}}}, []string{"no host can run job a now: the fleet is empty"}},
		{"a fleet that could not be listed", []job.Job{with("a", "0 5 * * *", "UTC")}, []Hosts{{Jobs: []string{"a"}, Error: "denied"}}, nil},
		{"a gap and a fold", []job.Job{with("a", "30 2 * * *", "Europe/Berlin"), with("b", "30 2 * * *", "Europe/Berlin")}, nil, []string{
			"jobs a, b: 2027-03-28 02:00:00 CET, the clock of Europe/Berlin goes to 2027-03-28 03:00:00 CEST; 02:30:00 skipped by the clock; runs once, at 2027-03-28 03:00:00 CEST",
			"jobs a, b: 2027-10-31 03:00:00 CEST, the clock of Europe/Berlin goes to 2027-10-31 02:00:00 CET; 02:30:00 happens twice; runs at the first, in CEST",
			"jobs a, b: 1 due time within a year is rung for by no timer and starts about a minute late, by the sweep",
		}},
		{"a gap and no time for the sweep", []job.Job{hasty}, nil, []string{
			"job hasty: 2027-03-28 02:00:00 CET, the clock of Europe/Berlin goes to 2027-03-28 03:00:00 CEST; 02:30:00 skipped by the clock; runs once, at 2027-03-28 03:00:00 CEST",
			"job hasty: 2027-10-31 03:00:00 CEST, the clock of Europe/Berlin goes to 2027-10-31 02:00:00 CET; 02:30:00 happens twice; runs at the first, in CEST",
			"job hasty: 1 due time within a year is rung for by no timer and is left to the sweep, for which start-within may be too short: it may be missed",
		}},
		{"two schedules", []job.Job{with("a", "0 5 1 * mon", "UTC")}, nil, []string{"job a: 2 schedules for one crontab, as EventBridge can't say it in one; what both ring for runs once"}},
		{"a superset", []job.Job{with("a", "every 7m", "UTC")}, nil, []string{"job a: EventBridge can't say exactly when it is due, so the function is invoked more often and ignores the rest"}},
		{"over", []job.Job{with("a", "at(2026-01-01T00:00:00)", "UTC")}, nil, []string{"job a: never due again"}},
		{"late", []job.Job{late}, nil, []string{"job late may be skipped as late: EventBridge Scheduler rings within a minute of the due time, and start-within is shorter"}},
	} {
		a := &Account{Now: func() time.Time { return now }}
		got := a.warnings(installation(t, test.jobs...), &survey{action: Create}, test.hosts)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.what, diff)
		}
	}

	adopted := (&Account{Now: func() time.Time { return now }}).warnings(installation(t, with("a", "0 5 * * *", "UTC")), &survey{action: Create, adopt: true}, nil)
	if len(adopted) != 1 || !strings.Contains(adopted[0], "the table cron is there already") {
		t.Errorf("a table with jobs in it: %q", adopted)
	}

	i := installation(t, daily("a"))
	i.File.Targets = nil
	i.File.Fleet.EC2.Document = "AWS-RunShellScript"
	i.File.Jobs[0].Hosts = nil
	text := strings.Join((&Account{Now: func() time.Time { return now }}).warnings(i, &survey{action: Create}, nil), "\n")
	for _, want := range []string{"every instance", "AWS-RunShellScript", "nobody is told"} {
		if !strings.Contains(text, want) {
			t.Errorf("no word of %q in %s", want, text)
		}
	}
	i.File.Targets = map[string]job.Target{"chat": {SNS: &job.SNS{Topic: "chat", Chat: true}}}
	if text := strings.Join((&Account{}).warnings(i, &survey{action: Create}, nil), "\n"); !strings.Contains(text, "no alarm reaches anybody") {
		t.Error(text)
	}
}

// What is foreign stays foreign, whatever it holds.
func FuzzOwner(f *testing.F) {
	list, err := stack.Schedules(daily("a"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(list[0].Input)
	f.Add(`{"sweep":true}`)
	f.Add(`{"job":"a"}`)
	f.Add("")
	f.Fuzz(func(t *testing.T, input string) {
		var due map[string]any
		if name := owner(input); name != "" && json.Unmarshal([]byte(input), &due) != nil {
			t.Errorf("%q is of job %s", input, name)
		}
	})
}

// Any text may be in the place of a template, when somebody else wrote it.
func FuzzRights(f *testing.F) {
	f.Add(fmt.Sprintf(roleTemplate, "", `{"Sid":"A","Action":"*","Resource":{"Fn::GetAtt":["A","Arn"]}}`))
	f.Add(`{"Resources":{"A":{"Type":"AWS::IAM::Role","Properties":[]}}}`)
	f.Add("")
	f.Fuzz(func(t *testing.T, template string) {
		if _, err := rights(template); err != nil {
			return // not a template
		}
		if list, err := diffRights(template, template, nil); err != nil || len(list) > 0 {
			t.Errorf("a template differs from itself: %v, %v", list, err)
		}
	})
}

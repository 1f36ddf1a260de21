package aws_test

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/awsloop/mototest"
	"github.com/solocron/solocron/guard/guardtest"
	"github.com/solocron/solocron/ledger/dynamoledger"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/stack/deploy"
)

// installed is an account in which the command line itself puts everything in
// place, and that it reaches by endpoint variables alone.
type installed struct {
	*account
	all  *awsloop.Account
	name string
	file string
	code string // a zip
}

func newInstalled(t *testing.T) *installed {
	t.Helper()
	dir := guardtest.Dir(t)
	log, output := slog.New(slog.DiscardHandler), io.Discard
	if os.Getenv("SOLOCRON_TEST_LOG") != "" {
		log, output = slog.New(slog.NewTextHandler(os.Stderr, nil)), os.Stderr
	}
	name := "e2e-" + strings.ToLower(strings.TrimPrefix(t.Name(), "Test"))
	i := &installed{name: name, file: filepath.Join(dir, "solocron.yaml")}
	i.account = &account{t: t, tag: name, witness: filepath.Join(dir, "witness"), hosts: map[string]*awsloop.Instance{}}
	i.loop = awsloop.New(awsloop.Options{Moto: mototest.Start(t), Region: region, Dir: dir, Log: log, Seed: 1})
	t.Cleanup(func() {
		if err := i.loop.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := i.loop.Start(); err != nil {
		t.Fatal(err)
	}
	i.cfg = i.loop.Config(region)
	i.all = awsloop.NewAccount(i.loop, awsloop.AccountOptions{Function: awsloop.FunctionOptions{Speed: 60, Output: output}})
	i.ledger = dynamoledger.New(dynamodb.NewFromConfig(i.cfg), name, dynamoledger.Options{Keep: 30 * 24 * time.Hour})
	t.Cleanup(func() { _ = i.ledger.Close() })
	i.code = zipped(t)
	return i
}

// zipped is the function's code for this machine.
func zipped(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "function.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := os.ReadFile(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	h.SetMode(0o755)
	w, err := z.CreateHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// command runs the command line with the jobs file.
func (i *installed) command(want int, args ...string) (stdout string) {
	i.t.Helper()
	cmd := exec.CommandContext(i.t.Context(), solocron, append(args, "--file", i.file)...)
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + i.t.TempDir(), "NO_COLOR=1", "SOLOCRON_CODE=" + i.code, "SOLOCRON_FUNCTION=" + i.name,
	}, i.loop.Environ()...)
	var out, talk strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &talk
	code := 0
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		i.t.Fatal(err)
	}
	i.t.Logf("$ solocron %s (exit %d)\n%s%s", strings.Join(args, " "), code, out.String(), talk.String())
	if code != want {
		i.t.Errorf("solocron %s: exit %d, want %d", strings.Join(args, " "), code, want)
	}
	return out.String()
}

// write puts jobs into the file.
func (i *installed) write(jobs string) {
	i.t.Helper()
	head := "ledger: dynamodb://" + region + "/" + i.name + "\n" +
		"fleet: {region: " + region + ", tags: {account: " + i.tag + "}, document: " + i.name + "}\n" +
		"notify: {targets: {people: {sns: {topic: " + i.name + ", email: [ops@example.com]}}}}\n"
	if err := os.WriteFile(i.file, []byte(head+strings.ReplaceAll(jobs, "WITNESS", i.witness)), 0o600); err != nil {
		i.t.Fatal(err)
	}
}

// planned is the plan as scripts read it, and what the command exits with.
func (i *installed) planned(want int, args ...string) *deploy.Plan {
	i.t.Helper()
	text := i.command(want, append([]string{"plan", "--detailed-exitcode", "--output", "json"}, args...)...)
	var p deploy.Plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		i.t.Fatalf("%v: %s", err, text)
	}
	return &p
}

// schedules are the names of those in the group.
func (i *installed) schedules() (names []string) {
	i.t.Helper()
	out, err := scheduler.NewFromConfig(i.cfg).ListSchedules(i.t.Context(), &scheduler.ListSchedulesInput{GroupName: awssdk.String(i.name)})
	if err != nil {
		i.t.Fatal(err)
	}
	for _, s := range out.Schedules {
		names = append(names, *s.Name)
	}
	return names
}

// fire has the schedules of a job ring for a due time.
func (i *installed) fire(job string, at time.Time) {
	i.t.Helper()
	rang := false
	for _, name := range i.schedules() {
		if strings.HasPrefix(name, job+".") {
			rang = true
			if err := i.all.Scheduler.Fire(i.name+"/"+name, at); err != nil {
				i.t.Fatal(err)
			}
		}
	}
	if !rang {
		i.t.Fatalf("job %s has no schedule", job)
	}
}

// The whole life of an installation, by the command line: made, changed, at
// work, looked after, and taken away.
func TestInstalled(t *testing.T) {
	i := newInstalled(t)
	host := i.host(cron)
	other := i.host(map[string]string{"cron": "false"})
	const jobs = `
defaults: {hosts: {cron: "true"}}
jobs:
  nightly: {schedule: "30 2 * * *", timezone: Asia/Tokyo, command: "echo $SOLOCRON_RUN_ID >>WITNESS"}
  minutely: {schedule: "* * * * *", catchup: all, command: "echo $SOLOCRON_RUN_ID >>WITNESS"}
  either: {schedule: "0 4 1 * mon", command: "true"}
`
	i.write(jobs)
	text := i.command(2, "plan", "--detailed-exitcode")
	i.says(text, "+ nightly", "02:30 JST", host.ID(), other.ID(), `tag cron is "false", not "true"`, "Lambda::Function", "ssm:SendCommand", "a month", "2 schedules for one crontab")
	if again := i.command(2, "plan", "--detailed-exitcode"); again != text {
		t.Errorf("a second plan differs: %s", again)
	}

	i.command(0, "apply", "--yes")
	if n := len(i.schedules()); n != 4 {
		t.Errorf("%d schedules: %v", n, i.schedules())
	}
	if p := i.planned(0); p.Changed() || p.Unchanged != 3 || p.Schedules.Keep != 4 {
		t.Errorf("%+v", p)
	}
	i.command(0, "pause", "either", "--note", "not now")
	calls := i.loop.Calls()["scheduler.CreateSchedule"]

	i.write(strings.Replace(jobs, "30 2 * * *", "45 2 * * *", 1))
	p := i.planned(2)
	if len(p.Jobs) != 1 || p.Jobs[0].Action != deploy.Update || p.Jobs[0].Name != "nightly" || len(p.Jobs[0].Fields) != 1 ||
		p.Schedules.Create != 1 || p.Schedules.Delete != 1 || p.Stack.Action != deploy.None {
		t.Errorf("%+v", p)
	}
	i.command(0, "apply", "--yes")
	if n := i.loop.Calls()["scheduler.CreateSchedule"] - calls; n != 1 {
		t.Errorf("%d schedules were made for one edit", n)
	}
	i.planned(0)
	i.says(i.command(0, "status"), "not now")

	at := time.Now().UTC().Truncate(time.Minute)
	i.fire("minutely", at)
	r := i.until(run.ID("minutely", at), is(run.Succeeded))
	if saw := i.saw(); len(saw) != 1 || saw[0] != r.ID || r.Host() != host.ID() {
		t.Errorf("the command ran for %v, on %s", saw, r.Host())
	}
	i.says(i.command(0, "doctor"), "claimed and started a command", "as the file says")

	i.write(strings.Replace(jobs, "  either:", "  #", 1))
	if p := i.planned(2); len(p.Jobs) != 2 || p.Jobs[0].Action != deploy.Leave || p.Jobs[0].Name != "either" {
		t.Errorf("%+v", p.Jobs)
	}
	i.command(0, "apply", "--yes", "--prune")
	if n := len(i.schedules()); n != 2 {
		t.Errorf("%d schedules: %v", n, i.schedules())
	}
	i.planned(0)

	i.command(2, "destroy") // nobody can be asked
	i.command(1, "destroy", "--confirm", "another")
	i.command(0, "destroy", "--confirm", i.name)
	i.says(i.command(0, "destroy"), "nothing to destroy", "Stays")
	if r := i.run(r.ID); r.State != run.Succeeded {
		t.Errorf("the record went: %+v", r)
	}
	i.says(i.command(1, "doctor"), "there is none", "solocron apply makes it")

	// And once more, with the table that is there.
	i.write(jobs)
	i.command(0, "apply", "--yes")
	i.planned(0)
	i.command(0, "destroy", "--confirm", i.name, "--delete-ledger")
	if _, err := dynamodb.NewFromConfig(i.cfg).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &i.name}); err == nil {
		t.Error("the table is still there")
	}
}

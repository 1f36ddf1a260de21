package aws_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
)

// solocron runs the command line against the function.
func (a *account) solocron(want int, args ...string) string {
	a.t.Helper()
	cmd := exec.CommandContext(a.t.Context(), solocron, append(args, "--function", "solocron")...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + a.t.TempDir(), "NO_COLOR=1"}, a.loop.Environ()...)
	out, err := cmd.CombinedOutput()
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		a.t.Fatal(err)
	}
	a.t.Logf("$ solocron %s (exit %d)\n%s", strings.Join(args, " "), code, out)
	if code != want {
		a.t.Errorf("solocron %s: exit %d, want %d", strings.Join(args, " "), code, want)
	}
	return string(out)
}

func (a *account) says(text string, parts ...string) {
	a.t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			a.t.Errorf("no %q in:\n%s", part, text)
		}
	}
}

// The commands that talk to a daemon talk to the function as well.
func TestCommandLine(t *testing.T) {
	a := newAccount(t, nil)
	host := a.host(cron)
	a.jobs(`
defaults: {hosts: {cron: "true"}}
jobs:
  quick: {schedule: "0 2 1 1 *", command: "echo some output; exit 3"}
  long: {schedule: "0 2 1 1 *", grace: 1s, command: "echo begun >>WITNESS; trap 'echo ended >>WITNESS; exit 9' TERM; while :; do sleep 0.1; done"}
  minutely: {schedule: "* * * * *", command: "true"}
`)
	a.says(a.solocron(0, "status"), "dynamodb://"+region+"/"+a.settings.Table, "quick")
	a.says(a.solocron(0, "hosts", "quick"), host.ID())
	a.says(a.solocron(3, "run", "quick", "--wait"), "some output")
	a.says(a.solocron(0, "show", "quick"), "failed", "exit code  3", host.ID(), "chosen", "some output")
	a.says(a.solocron(0, "logs", "quick"), "some output")
	a.says(a.solocron(0, "runs"), "quick", "failed")
	a.solocron(1, "run", "nonesuch")

	id := strings.Fields(a.solocron(0, "run", "long"))[0]
	a.eventually(func() bool { return len(a.saw()) == 1 }, func() string { return "the long one begins" })
	a.solocron(0, "cancel", id)
	a.sweep()
	r := a.until(id, is(run.Cancelled))
	if saw := strings.Join(a.saw(), " "); saw != "begun ended" {
		t.Errorf("the command wrote %q", saw)
	}
	a.says(r.Reason, "by ")
	a.says(a.solocron(1, "cancel", id), "over")

	a.solocron(0, "pause", "minutely", "--note", "maintenance")
	at := time.Now().UTC().Truncate(time.Minute)
	a.invoke(due("minutely", at))
	if r := a.run(run.ID("minutely", at)); r.State != run.Skipped || !strings.HasPrefix(r.Reason, run.ReasonPaused) {
		t.Errorf("%+v", r)
	}
	a.solocron(0, "resume", "minutely")
}

// SSM itself tells a topic, as a second path that doesn't need the function.
func TestReport(t *testing.T) {
	a := newAccount(t, func(s *job.Settings) {
		s.EC2.Report = &job.Report{Topic: s.Topics["people"].Topic, Role: "arn:aws:iam::123456789012:role/solocron-report"}
	})
	a.host(cron)
	a.jobs(`
jobs:
  broken: {schedule: "* * * * *", hosts: {cron: "true"}, command: "exit 3"}
`)
	at := time.Now().UTC().Truncate(time.Minute)
	a.invoke(due("broken", at))
	a.until(run.ID("broken", at), is(run.Failed))
	all := strings.Join(a.heard(2), "\n")
	a.says(all, "broken on", `"status":"Failed"`, `"documentName":"solocron"`)
}

// An instance of an Auto Scaling group is protected from scale-in during a run
// that asks for it, and not any more after it, although the function dies.
func TestProtect(t *testing.T) {
	a := newAccount(t, nil)
	i, protected := a.grouped()
	a.jobs(`
jobs:
  precious: {schedule: "* * * * *", hosts: {cron: "true"}, protect: true, timeout: 1m, command: "echo begun >>WITNESS; sleep 3"}
`)
	at := time.Now().UTC().Truncate(time.Minute)
	if protected() {
		t.Fatal("it is protected before the run")
	}
	a.invoke(due("precious", at))
	a.eventually(func() bool { return len(a.saw()) == 1 }, func() string { return "it begins" })
	if !protected() {
		t.Error("it is not protected during the run")
	}
	a.function.Recycle() // whatever the function remembers is gone
	r := a.until(run.ID("precious", at), is(run.Succeeded))
	a.eventually(func() bool { return !protected() }, func() string { return "the protection is taken off" })
	if r.Host() != i.ID() {
		t.Errorf("%+v", r)
	}

	// The end of the run is written, and the function dies before it has told
	// Auto Scaling: the sweep does.
	knobs := awsloop.Knobs{Throttle: map[string]awsloop.Knob{"autoscaling.SetInstanceProtection": {P: 1}}}
	at = at.Add(-time.Minute)
	a.invoke(due("precious", at))
	a.eventually(func() bool { return len(a.saw()) == 2 }, func() string { return "it begins again" })
	a.loop.SetKnobs(knobs)
	a.until(run.ID("precious", at), is(run.Succeeded))
	if !protected() {
		t.Error("it was taken off by nobody")
	}
	a.loop.SetKnobs(awsloop.Knobs{})
	a.eventually(func() bool { a.sweep(); return !protected() }, func() string { return "the sweep takes it off" })
}

// grouped starts an Auto Scaling group of one tagged instance.
func (a *account) grouped() (i *awsloop.Instance, protected func() bool) {
	a.t.Helper()
	tag := func(key, value string) types.Tag {
		return types.Tag{Key: &key, Value: &value, PropagateAtLaunch: awssdk.Bool(true)}
	}
	client, name := autoscaling.NewFromConfig(a.cfg), awssdk.String(a.name("group"))
	ctx := a.t.Context()
	must := func(err error) {
		a.t.Helper()
		if err != nil {
			a.t.Fatal(err)
		}
	}
	_, err := client.CreateLaunchConfiguration(ctx, &autoscaling.CreateLaunchConfigurationInput{
		LaunchConfigurationName: name, ImageId: awssdk.String(image), InstanceType: awssdk.String("t3.micro"),
	})
	must(err)
	_, err = client.CreateAutoScalingGroup(ctx, &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: name, LaunchConfigurationName: name, MinSize: awssdk.Int32(1), MaxSize: awssdk.Int32(1),
		AvailabilityZones: []string{region + "a"}, Tags: []types.Tag{tag("account", a.tag), tag("cron", "true")},
	})
	must(err)
	look := func() (id string, on bool) {
		out, err := client.DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{*name}})
		must(err)
		member := out.AutoScalingGroups[0].Instances[0]
		return *member.InstanceId, *member.ProtectedFromScaleIn
	}
	id, _ := look()
	i, err = a.loop.AddInstance(id, awsloop.InstanceOptions{Online: true})
	must(err)
	return i, func() bool { _, on := look(); return on }
}

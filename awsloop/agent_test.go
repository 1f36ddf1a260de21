package awsloop_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/bubbletest"
)

// Each script is really run by sh.
func TestScripts(t *testing.T) {
	t.Parallel()
	s := newServer(t, awsloop.Options{Region: "eu-west-1"})
	c := client(t, s)
	i := addInstance(t, s, instanceID(1), awsloop.InstanceOptions{Online: true, Env: []string{"COLOUR=red"}})
	tests := map[string]struct {
		script         []string
		details        string
		code           int32
		stdout, stderr string
	}{
		"success":          {[]string{"echo one", "echo two >&2"}, "Success", 0, "one\n", "two\n"},
		"the last counts":  {[]string{"false", "echo ok"}, "Success", 0, "ok\n", ""},
		"failure":          {[]string{"echo no >&2; exit 3"}, "Failed", 3, "", "no\nfailed to run commands: exit status 3"},
		"no line's end":    {[]string{"printf no >&2; exit 3"}, "Failed", 3, "", "nofailed to run commands: exit status 3"},
		"killed child":     {[]string{"exit 137"}, "ExecutionTimedOut", 137, "", ""},
		"success by 168":   {[]string{"echo x; exit 168"}, "Success", 168, "x\n", "failed to run commands: exit status 168"},
		"failure by 169":   {[]string{"exit 169"}, "Failed", 169, "", "failed to run commands: exit status 169"},
		"interpreter":      {[]string{"#!/bin/cat", "text"}, "Success", 0, "#!/bin/cat\ntext\n", ""},
		"instance":         {[]string{"echo $AWS_SSM_INSTANCE_ID $AWS_SSM_REGION_NAME $COLOUR"}, "Success", 0, instanceID(1) + " eu-west-1 red\n", ""},
		"no home, no user": {[]string{`echo "${HOME-none} ${USER-none}"`}, "Success", 0, "none none\n", ""},
		"state":            {[]string{"echo $SOLOCRON_RUN_DIR"}, "Success", 0, filepath.Join(i.Dir(), "state") + "\n", ""},
		"group":            {[]string{`test "$(ps -o pgid= -p $$ | tr -d ' ')" = $$ || test "$(ps -o pgid= -p $$ | tr -d ' ')" = $PPID`}, "Success", 0, "", ""},
		"much output": {
			[]string{"head -c 30000 /dev/zero | tr '\\0' a; head -c 9000 /dev/zero | tr '\\0' b >&2; exit 1"}, "Failed", 1,
			strings.Repeat("a", 23980) + "--output truncated--", strings.Repeat("b", 7980) + "--output truncated--",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := await(t, c, send(t, c, i.ID(), test.script...), i.ID(), test.details)
			if got.ResponseCode != test.code || *got.StandardOutputContent != test.stdout || *got.StandardErrorContent != test.stderr {
				t.Errorf("got %d, %q, %q", got.ResponseCode, *got.StandardOutputContent, *got.StandardErrorContent)
			}
		})
	}
}

func TestScriptFile(t *testing.T) {
	t.Parallel()
	s := newServer(t, awsloop.Options{})
	c := client(t, s)
	i := addInstance(t, s, instanceID(1), awsloop.InstanceOptions{Online: true})
	out, err := c.SendCommand(t.Context(), &ssm.SendCommandInput{
		DocumentName: aws.String("AWS-RunShellScript"), InstanceIds: []string{i.ID()},
		Parameters: map[string][]string{"commands": {`stat -c %a "$0"`, "pwd", "echo $SSM_COMMAND_ID"}, "workingDirectory": {"/"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := await(t, c, out.Command, i.ID(), "Success")
	if want := "700\n/\n" + *out.Command.CommandId + "\n"; *got.StandardOutputContent != want {
		t.Errorf("got %q, want %q", *got.StandardOutputContent, want)
	}
	if *got.PluginName != "aws:runShellScript" || !strings.HasPrefix(*got.ExecutionElapsedTime, "PT") {
		t.Errorf("plugin %s ran for %s", *got.PluginName, *got.ExecutionElapsedTime)
	}
}

// alive says whether the process whose number is in the file exists. Zombies
// don't count.
func alive(t *testing.T, file string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && syscall.Kill(pid, 0) == nil && !strings.Contains(string(stat), ") Z ")
}

// exists says whether the file is there and not empty.
func exists(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Size() > 0
}

// deep starts a process in the command's group and another in a session of its
// own, and leaves their numbers in the instance's folder.
func deep(i *awsloop.Instance) string {
	return fmt.Sprintf("cd %[1]s; setsid sh -c 'echo $$ >away; exec sleep 1000' >/dev/null 2>&1 </dev/null & "+
		"cd %[1]s; sleep 1000 & echo $! >near; wait", i.Dir())
}

func TestCancelKillsTheGroup(t *testing.T) {
	t.Parallel()
	s := newServer(t, awsloop.Options{})
	c := client(t, s)
	i := addInstance(t, s, instanceID(1), awsloop.InstanceOptions{Online: true})
	near, away := filepath.Join(i.Dir(), "near"), filepath.Join(i.Dir(), "away")
	command := send(t, c, i.ID(), deep(i))
	eventually(t, "it runs", func() bool { return exists(near) && exists(away) })
	if got := get(t, c, command, i.ID()); *got.StatusDetails != "InProgress" || got.ResponseCode != -1 || *got.StandardOutputContent != "" {
		t.Errorf("while it runs: %s, %d, %q", *got.StatusDetails, got.ResponseCode, *got.StandardOutputContent)
	}
	if _, err := c.CancelCommand(t.Context(), &ssm.CancelCommandInput{CommandId: command.CommandId}); err != nil {
		t.Fatal(err)
	}
	await(t, c, command, i.ID(), "Cancelled")
	eventually(t, "the group is dead", func() bool { return !alive(t, near) })
	if !alive(t, away) {
		t.Error("what left the group was killed too")
	}
	i.Terminate()
	if alive(t, away) {
		t.Error("a process outlived its instance")
	}
}

func TestRebootKillsAndRunsAgain(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("redelivered %v", again), func(t *testing.T) {
			t.Parallel()
			s := newServer(t, awsloop.Options{})
			c := client(t, s)
			i := addInstance(t, s, instanceID(1), awsloop.InstanceOptions{Online: true})
			near, away := filepath.Join(i.Dir(), "near"), filepath.Join(i.Dir(), "away")
			command := send(t, c, i.ID(), "mkdir "+i.Dir()+"/run || exit 7", deep(i))
			eventually(t, "it runs", func() bool { return exists(near) && exists(away) })
			if again {
				s.SetKnobs(awsloop.Knobs{SSM: awsloop.AgentKnobs{Redeliver: awsloop.Knob{P: 1}}})
			}
			i.Reboot()
			if alive(t, near) || alive(t, away) {
				t.Error("a process outlived the restart")
			}
			want := int32(1) // the agent's word for a run that it lost
			if again {
				want = 7 // the second run's
			}
			if got := await(t, c, command, i.ID(), "Failed"); got.ResponseCode != want {
				t.Errorf("code is %d, want %d", got.ResponseCode, want)
			}
		})
	}
}

func TestStoppedAgentTellsNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t, awsloop.Options{})
	c := client(t, s)
	i := addInstance(t, s, instanceID(1), awsloop.InstanceOptions{Online: true})
	end := filepath.Join(i.Dir(), "end")
	begun := filepath.Join(i.Dir(), "begun")
	command := send(t, c, i.ID(), "cd "+i.Dir(), "mkfifo wait; echo x >begun; read x <wait; echo x >end")
	eventually(t, "it runs", func() bool { return exists(begun) })
	i.KillAgent()
	i.AgentOnline() // a new one
	if err := os.WriteFile(filepath.Join(i.Dir(), "wait"), []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it went on without its agent", func() bool { return exists(end) })
	await(t, c, send(t, c, i.ID(), "true"), i.ID(), "Success")
	if got := get(t, c, command, i.ID()); *got.StatusDetails != "InProgress" {
		t.Errorf("nobody could tell, and yet it is %s", *got.StatusDetails)
	}
}

func TestOutputHeldByChild(t *testing.T) {
	t.Parallel()
	s := newServer(t, awsloop.Options{})
	c := client(t, s)
	i := addInstance(t, s, instanceID(1), awsloop.InstanceOptions{Online: true})
	begun := filepath.Join(i.Dir(), "begun")
	command := send(t, c, i.ID(), "sleep 1000 & echo $! >"+begun)
	eventually(t, "it runs", func() bool { return exists(begun) })
	if got := get(t, c, command, i.ID()); *got.StatusDetails != "InProgress" {
		t.Errorf("a child holds the output, and yet it is %s", *got.StatusDetails)
	}
	if _, err := c.CancelCommand(t.Context(), &ssm.CancelCommandInput{CommandId: command.CommandId}); err != nil {
		t.Fatal(err)
	}
	await(t, c, command, i.ID(), "Cancelled")
}

// At most five at once, five more with the agent, the rest with the service.
func TestWorkers(t *testing.T) {
	t.Parallel()
	bubbletest.Test(t, func(t *testing.T) {
		s := newServer(t, awsloop.Options{Dir: t.TempDir()})
		c := client(t, s)
		var mu sync.Mutex
		running, most := 0, 0
		i := addInstance(t, s, instanceID(1), awsloop.InstanceOptions{Online: true,
			Run: func(_ context.Context, _, _ string, _ map[string][]string) (string, string, int) {
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				time.Sleep(time.Minute)
				mu.Lock()
				running--
				mu.Unlock()
				return "", "", 0
			}})
		var commands []*types.Command
		for range 12 {
			commands = append(commands, send(t, c, i.ID(), "true"))
		}
		count := func() map[string]int {
			synctest.Wait()
			n := map[string]int{}
			for _, command := range commands {
				n[*get(t, c, command, i.ID()).StatusDetails]++
			}
			return n
		}
		if n := count(); n["InProgress"] != 10 || n["Pending"] != 2 {
			t.Errorf("at first %v", n)
		}
		time.Sleep(time.Minute)
		if n := count(); n["Success"] != 5 || n["InProgress"] != 7 {
			t.Errorf("a minute later %v", n)
		}
		time.Sleep(2 * time.Minute)
		if n := count(); n["Success"] != 12 || most != 5 {
			t.Errorf("in the end %v, at most %d at once", n, most)
		}
	})
}

func TestExecutionTimeout(t *testing.T) {
	t.Parallel()
	tests := map[string]time.Duration{"5": 5 * time.Second, "4": time.Hour, "172800": 48 * time.Hour}
	for asked, want := range tests {
		bubbletest.Test(t, func(t *testing.T) {
			s := newServer(t, awsloop.Options{Dir: t.TempDir()})
			c := client(t, s)
			begin := time.Now()
			var took time.Duration
			i := addInstance(t, s, instanceID(1), awsloop.InstanceOptions{Online: true,
				Run: func(ctx context.Context, _, _ string, _ map[string][]string) (string, string, int) {
					<-ctx.Done()
					took = time.Since(begin)
					return "so far", "", -1
				}})
			out, err := c.SendCommand(t.Context(), &ssm.SendCommandInput{
				DocumentName: aws.String("AWS-RunShellScript"), InstanceIds: []string{i.ID()},
				Parameters: map[string][]string{"commands": {"sleep 1d"}, "executionTimeout": {asked}},
			})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(want)
			synctest.Wait()
			got := get(t, c, out.Command, i.ID())
			if took != want || got.Status != types.CommandInvocationStatusTimedOut || *got.StatusDetails != "ExecutionTimedOut" {
				t.Errorf("%s: ended after %v, want %v, as %s", asked, took, want, *got.StatusDetails)
			}
			if got.ResponseCode != 137 || *got.StandardOutputContent != "so far" {
				t.Errorf("%s: %d, %q", asked, got.ResponseCode, *got.StandardOutputContent)
			}
		})
	}
}

// Exit code 194 restarts the host after a minute and runs the document again.
func TestRebootByExitCode(t *testing.T) {
	t.Parallel()
	bubbletest.Test(t, func(t *testing.T) {
		s := newServer(t, awsloop.Options{Dir: t.TempDir()})
		c := client(t, s)
		var runs atomic.Int32
		i := addInstance(t, s, instanceID(1), awsloop.InstanceOptions{Online: true, Boot: time.Minute,
			Run: func(context.Context, string, string, map[string][]string) (string, string, int) {
				if runs.Add(1) == 1 {
					return "", "", 194
				}
				return "", "", 0
			}})
		command := send(t, c, i.ID(), "upgrade")
		time.Sleep(2*time.Minute - time.Second)
		if got := *get(t, c, command, i.ID()).StatusDetails; got != "InProgress" || runs.Load() != 1 {
			t.Errorf("before the host is back: %s, %d runs", got, runs.Load())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := *get(t, c, command, i.ID()).StatusDetails; got != "Success" || runs.Load() != 2 {
			t.Errorf("afterwards: %s, %d runs", got, runs.Load())
		}
	})
}

// What an agent couldn't tell while it was offline it tells when it is back.
func TestResultWaitsForTheAgent(t *testing.T) {
	t.Parallel()
	bubbletest.Test(t, func(t *testing.T) {
		s := newServer(t, awsloop.Options{Dir: t.TempDir()})
		c := client(t, s)
		i := addInstance(t, s, instanceID(1), awsloop.InstanceOptions{Online: true,
			Run: func(context.Context, string, string, map[string][]string) (string, string, int) {
				time.Sleep(time.Minute)
				return "done", "", 0
			}})
		command := send(t, c, i.ID(), "true")
		synctest.Wait()
		i.AgentOffline()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := *get(t, c, command, i.ID()).StatusDetails; got != "InProgress" {
			t.Errorf("while it is offline: %s", got)
		}
		i.AgentOnline()
		if got := get(t, c, command, i.ID()); *got.StatusDetails != "Success" || *got.StandardOutputContent != "done" {
			t.Errorf("when it is back: %s, %q", *got.StatusDetails, *got.StandardOutputContent)
		}
	})
}

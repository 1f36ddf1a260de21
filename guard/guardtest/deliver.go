package guardtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/solocron/solocron/guard"
)

// Agent is how the SSM agent of a host runs commands.
type Agent struct {
	*Host
	Env  []string // beside what every agent has
	Path string   // stands in for the guard's search path; empty for the real one
}

// Delivery is one command that an agent runs.
type Delivery struct {
	cmd            *exec.Cmd
	t              *testing.T
	stdout, stderr *os.File
}

// Deliver has a command run as the agent does: its lines in a script, which the
// shell is told to run, in a process group of its own, with no HOME.
func (a *Agent) Deliver(parameters map[string][]string) *Delivery {
	a.t.Helper()
	text := strings.Join(guard.ShellCommands(parameters), "\n")
	shell := "/bin/sh"
	if a.Shell != nil {
		shell = strings.Join(a.Shell, " ")
		text = strings.ReplaceAll(text, "/bin/sh -c", shell+" -c")
	}
	if a.Path != "" {
		const real = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL"
		if !strings.Contains(text, real) {
			a.t.Fatal("the guard has another search path")
		}
		text = strings.Replace(text, real, "PATH="+a.Path+" LC_ALL", 1)
	}
	dir := a.t.TempDir()
	script := filepath.Join(dir, "_script.sh")
	if err := writeProgram(script, text); err != nil {
		a.t.Fatal(err)
	}
	d := &Delivery{t: a.t}
	d.stdout, _ = os.Create(filepath.Join(dir, "stdout"))
	d.stderr, _ = os.Create(filepath.Join(dir, "stderr"))
	argv := append(strings.Fields(shell), "-c", script)
	d.cmd = exec.Command(argv[0], argv[1:]...)
	d.cmd.Stdout, d.cmd.Stderr = d.stdout, d.stderr
	d.cmd.Env = append([]string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "AWS_SSM_INSTANCE_ID=i-0123456789abcdef0"}, a.Env...)
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		d.Kill()
		d.cmd.Wait()
		d.stdout.Close()
		d.stderr.Close()
	})
	return d
}

// writeProgram writes a program while no process is forked, which would inherit the
// open file: as long as anybody has it open for writing it can't be executed.
func writeProgram(path, text string) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, []byte(text), 0o700)
}

// Kill is what the agent does at a cancellation: KILL for the process group.
func (d *Delivery) Kill() { syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL) }

// Wait waits for the command and returns its exit code and what it wrote.
func (d *Delivery) Wait() (code int, stdout, stderr string) {
	d.t.Helper()
	d.cmd.Wait()
	out, err := os.ReadFile(d.stdout.Name())
	if err != nil {
		d.t.Fatal(err)
	}
	complaint, err := os.ReadFile(d.stderr.Name())
	if err != nil {
		d.t.Fatal(err)
	}
	return d.cmd.ProcessState.ExitCode(), string(out), string(complaint)
}

// said is what the guard has told by now, which is nothing before its end.
func (d *Delivery) said() string {
	b, err := os.ReadFile(d.stderr.Name())
	if err != nil {
		d.t.Fatal(err)
	}
	return string(b)
}

// What the service keeps of a command's two outputs.
const (
	keptStdout = 24000
	keptStderr = 8000
)

// Trailer waits for the command and reads what the service would keep of it.
func (d *Delivery) Trailer() guard.Trailer {
	d.t.Helper()
	_, stdout, stderr := d.Wait()
	if len(stderr) >= keptStderr {
		d.t.Errorf("a trailer of %d bytes", len(stderr))
	}
	if len(stdout) >= keptStdout {
		const mark = "--output truncated--"
		stdout = stdout[:keptStdout-len(mark)] + mark
	}
	if !strings.HasPrefix(stderr, "end ") {
		d.t.Errorf("something before the trailer: %q", stderr)
	}
	trailer, ok := guard.ReadTrailer(strings.ToValidUTF8(stdout, "\uFFFD"), stderr)
	if !ok {
		d.t.Fatalf("no whole trailer in %q", stderr)
	}
	return trailer
}

// Begin delivers an order.
func (a *Agent) Begin(o guard.Order) *Delivery {
	a.t.Helper()
	parameters, err := o.Parameters()
	if err != nil {
		a.t.Fatal(err)
	}
	return a.Deliver(parameters)
}

// Result delivers an order and returns how it ended.
func (a *Agent) Result(o guard.Order) guard.Result {
	a.t.Helper()
	return a.Begin(o).Trailer().Result
}

// Asked puts a question to the guard and returns its answer.
func (a *Agent) Asked(verb string, args ...string) string {
	a.t.Helper()
	_, stdout, stderr := a.Deliver(guard.Ask(verb, append([]string{a.Root}, args...)...)).Wait()
	if stderr != "" || len(stdout) >= keptStdout {
		a.t.Errorf("%s: %d bytes; stderr: %s", verb, len(stdout), stderr)
	}
	return stdout
}

// Status asks how the attempt stands.
func (a *Agent) Status(o guard.Order) guard.Status {
	a.t.Helper()
	answer := a.Asked(guard.VerbStatus, o.Attempt.Dir())
	status, err := guard.ReadStatus(strings.NewReader(answer))
	if err != nil {
		a.t.Fatalf("status: %v in %q", err, answer)
	}
	return status
}

// Unclaimed is a small order that asks nobody.
func (a *Agent) Unclaimed(command string) guard.Order {
	o := a.Order(command)
	o.Unclaimed = true
	return o
}

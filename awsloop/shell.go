package awsloop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// mark is the environment variable by which an instance's processes are found.
const mark = "AWSLOOP_INSTANCE"

// pipeDelay is how long a killed command's output is still waited for: the
// agent doesn't wait at all [A].
const pipeDelay = 50 * time.Millisecond

// execute runs the document on the instance and says what the agent makes of
// it.
func (i *Instance) execute(ctx context.Context, r *documentRun) result {
	ctx, stop := context.WithTimeoutCause(ctx, time.Duration(r.script.timeout)*time.Second, errTimeout)
	defer stop()
	found := result{started: time.Now()}
	var stdout, stderr string
	switch {
	case !r.content.runsOn(string(i.options.Platform)):
		stdout = "Step execution skipped due to unsatisfied preconditions: platformType"
	case i.options.Run != nil:
		stdout, stderr, found.code = i.options.Run(ctx, r.id, r.script.text, r.arguments)
	default:
		stdout, stderr, found.code = i.shell(ctx, r)
	}
	found.ended = time.Now()
	found.standing = standingOf(found.code)
	switch context.Cause(ctx) {
	case errTimeout: //nolint:errorlint // it is never wrapped
		found.standing, found.code = ssmExecutionTimeout, exitPreempted
	case errCancelled:
		found.standing, found.code = ssmCancelled, exitPreempted
	}
	if found.code != 0 && found.code != exitPreempted {
		stderr += fmt.Sprintf("failed to run commands: exit status %d", found.code) // right behind what was there [A]
	}
	found.stdout, found.stderr = cut(stdout, stdoutLimit), cut(stderr, stderrLimit)
	return found
}

// shell runs the script by sh, in a process group of its own.
func (i *Instance) shell(ctx context.Context, r *documentRun) (stdout, stderr string, code int) {
	dir := filepath.Join(i.dir, "orchestration", r.id, strings.ReplaceAll(r.script.plugin, ":", ""))
	path := filepath.Join(dir, "_script.sh")
	if err := writeScript(path, r.script.text); err != nil {
		return "", err.Error(), 1
	}
	out, errs := &head{limit: stdoutLimit + 1}, &head{limit: stderrLimit + 1}
	c := exec.CommandContext(ctx, "sh", "-c", path)
	c.Dir, c.Env = i.workingDir(dir, r.script.dir), i.environ(r)
	c.Stdout, c.Stderr = out, errs // as pipes: who holds them keeps the command InProgress
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = pipeDelay
	err := c.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		code = exit.ExitCode() // -1 after a signal
	case c.ProcessState != nil: // output was still being held when it was given up
		code = c.ProcessState.ExitCode()
	default:
		return "", err.Error(), 1
	}
	return string(out.text), string(errs.text), code
}

// workingDir resolves the document's below the agent's own [A].
func (i *Instance) workingDir(orchestration, asked string) string {
	switch {
	case asked == "":
		return orchestration
	case filepath.IsAbs(asked):
		return asked
	}
	if dir := filepath.Join(orchestration, asked); isDir(dir) {
		return dir
	}
	return orchestration
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// environ is the agent's: neither a login shell's nor ours. HOME is missing, as
// it may be there.
func (i *Instance) environ(r *documentRun) []string {
	o := i.manager.server.options
	return append([]string{
		"PATH=" + os.Getenv("PATH"),
		"LANG=C.UTF-8",
		"AWS_SSM_INSTANCE_ID=" + i.id,
		"AWS_SSM_REGION_NAME=" + o.Region,
		"AWS_SSM_PLATFORM_NAME=Debian GNU/Linux",
		"AWS_SSM_PLATFORM_VERSION=12",
		"SSM_COMMAND_ID=" + r.id,
		"SOLOCRON_RUN_DIR=" + filepath.Join(i.dir, "state"),
		mark + "=" + i.dir,
	}, i.options.Env...)
}

// writeScript puts the script in place at once: another run of the same
// document may be reading it. No process is forked meanwhile, as it would
// inherit the open file, which then can't be executed.
func writeScript(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // commands of other users look into it
		return err
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.CreateTemp(filepath.Dir(path), "_script.*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chmod(0o700), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

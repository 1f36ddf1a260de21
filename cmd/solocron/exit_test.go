package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/web"
)

func TestReport(t *testing.T) {
	for _, c := range []struct {
		err     error
		code    int
		printed string
	}{
		{nil, 0, ""},
		{errors.New("disk \x1b[2Jfull"), 1, "solocron: disk \ufffd[2Jfull\n"},
		{usagef("want %d", 1), 2, "solocron: want 1\nhint: see solocron --help\n"},
		{&hintError{errors.New("no"), "try this"}, 1, "solocron: no\nhint: try this\n"},
		{fmt.Errorf("ask: %w", &web.Problem{Message: "no", Hint: "try that"}), 1, "solocron: ask: no\nhint: try that\n"},
		{&exitError{code: 3}, 3, ""},
		{noResult(&web.Problem{Message: "gone"}), 255, "solocron: gone\n"},
		{noResult(stillGoing("a@b", fmt.Errorf("get: %w", context.Canceled))), 130, "solocron: interrupted\nhint: the run goes on; solocron cancel a@b ends it\n"},
		{noResult(usagef("no")), 255, "solocron: no\nhint: see solocron --help\n"},
		{job.Problems{{File: "f.yaml", Message: "too long"}}, 1, "f.yaml: too long\nsolocron: 1 problem in f.yaml\n"},
	} {
		var b strings.Builder
		cmd := &cobra.Command{Use: "solocron"}
		cmd.SetErr(&b)
		if code := report(cmd, c.err); code != c.code || b.String() != c.printed {
			t.Errorf("report(%v) = %d, printed %q; want %d, %q", c.err, code, b.String(), c.code, c.printed)
		}
	}
}

func TestWaitCode(t *testing.T) {
	code := func(n int) *int { return &n }
	for _, c := range []struct {
		state run.State
		exit  *int
		want  int
	}{
		{run.Succeeded, code(0), 0},
		{run.Failed, code(3), 3},
		{run.Failed, code(255), 255},
		{run.Failed, nil, 255},
		{run.Failed, code(0), 255}, // a command that ended well in a run that did not
		{run.TimedOut, code(143), 124},
		{run.Cancelled, code(143), 255},
		{run.Skipped, nil, 255},
		{run.Lost, nil, 255},
	} {
		if got := waitCode(web.Run{State: c.state, ExitCode: c.exit}); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.state, exitText(c.exit), got, c.want)
		}
	}
}

package main

import (
	"maps"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
)

// TestServeScript runs the commands against real schedulers, which the scripts
// start in the background, with commands that really run on this machine.
func TestServeScript(t *testing.T) {
	more := maps.Clone(commands)
	more["poll"], more["here"] = poll, here
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script-serve",
		WorkdirRoot:         guardtest.Dir(t), // the run directories are in there
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                more,
		Setup: func(env *testscript.Env) error {
			env.Setenv("USER", "op")
			env.Setenv("SOLOCRON_DRAIN", "1s")
			env.Setenv(guard.RunDirVariable, env.WorkDir) // what is remembered of ledgers
			return nil
		},
	})
}

// patient is how long a script waits for something to come true. It is long
// because the machine may be busy; no test is right or wrong by the clock.
const patient = 60 * time.Second

// poll is the script command "poll REGEXP PROGRAM ARG...": it runs the program
// until its standard output matches.
func poll(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: poll REGEXP PROGRAM ARG...")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	deadline := time.After(patient)
	for {
		_ = ts.Exec(args[1], args[2:]...) // it may fail until it does not
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-deadline:
			ts.Fatalf("no match for %q in %s", args[0], patient)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// here is the script command "here FILE": it writes the script's folder for
// each @HERE@ in a file.
func here(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: here FILE")
	}
	text := regexp.MustCompile("@HERE@").ReplaceAllLiteralString(ts.ReadFile(args[0]), ts.Getenv("WORK"))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

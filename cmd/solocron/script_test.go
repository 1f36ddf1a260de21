package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/solocron/solocron/guard"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"solocron": func() { os.Exit(mainCode()) }})
}

// commands are what the scripts can do besides testscript's own.
var commands = map[string]func(*testscript.TestScript, bool, []string){
	"scheduler": scheduler,
	"function":  lambdaFunction,
	"exits":     exits,
}

// exits is the script command "exits CODE PROGRAM ARG...".
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	got := 0
	var ended *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &ended) {
		got = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// TestScript runs the commands as people do: those that need no scheduler, and
// the others against one whose answers the script holds. With
// UPDATE_SCRIPTS=1 the expected outputs are written anew.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds:                commands,
		Setup: func(env *testscript.Env) error {
			env.Setenv("USER", "op")
			env.Setenv(guard.RunDirVariable, env.WorkDir) // what is remembered of ledgers
			return nil
		},
	})
}

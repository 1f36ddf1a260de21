// Command solocron runs scheduled commands on exactly one server of a fleet:
// "solocron serve" is the scheduler, the other commands prepare its jobs file
// or talk to it over a unix socket or through AWS Lambda.
//
// What was asked for goes to standard output, everything else to standard
// error. Commands return errors; they are printed here alone.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/solocron/solocron/executor/localexec"
)

func main() {
	localexec.KeeperMain()
	os.Exit(mainCode())
}

// mainCode is the whole program up to its exit code. A second signal is left to
// its default and ends the process at once.
func mainCode() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	cmd, err := newRootCommand().ExecuteContextC(ctx)
	return report(cmd, err)
}

// The function of the tests: it does what the event says.
package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Echo   string // is returned
	Error  string // is returned as an error
	Panic  bool
	Exit   *int
	Child  bool          // leaves a child that lasts for an hour
	Sleep  time.Duration // goes before all else
	Append string        // is appended to Path, before the sleep
	Path   string
}

type answer struct {
	Echo, RequestID, ARN string
	Deadline             time.Time
	PID, Child           int
	Env                  []string
}

func main() {
	switch os.Getenv("INIT") {
	case "exit":
		os.Exit(7)
	case "hang":
		time.Sleep(time.Hour)
	}
	lambda.Start(handle)
}

func handle(ctx context.Context, e event) (answer, error) {
	if e.Path != "" {
		if err := note(e.Path, e.Append); err != nil {
			return answer{}, err
		}
	}
	time.Sleep(e.Sleep)
	switch {
	case e.Error != "":
		return answer{}, errors.New(e.Error)
	case e.Panic:
		panic("as told")
	case e.Exit != nil:
		os.Exit(*e.Exit)
	}
	a := answer{Echo: e.Echo, PID: os.Getpid(), Env: os.Environ()}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		a.RequestID, a.ARN = lc.AwsRequestID, lc.InvokedFunctionArn
	}
	a.Deadline, _ = ctx.Deadline()
	if e.Child {
		child := exec.Command("sleep", "3600")
		if err := child.Start(); err != nil {
			return a, err
		}
		a.Child = child.Process.Pid
	}
	return a, nil
}

func note(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

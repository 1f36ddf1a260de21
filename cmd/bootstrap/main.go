// Command bootstrap is the scheduler as a Lambda function: due times come from
// EventBridge Scheduler, commands go to EC2 instances through Systems Manager,
// the record is in DynamoDB, and people are told through SNS.
//
// It handles four kinds of events, see event.go. Any of them may come twice,
// late, in another order or not at all: what is in the ledger decides, and the
// sweep of every minute finds what no event told.
//
// Clients are made once for a process and nothing is called before the first
// event.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

// release is set by the build.
var release string

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	h, err := open(context.Background(), os.Getenv, log)
	if err != nil {
		log.Error("init", "error", err)
		os.Exit(1)
	}
	lambda.Start(h)
}

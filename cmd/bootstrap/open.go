package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/solocron/solocron/config/cloud"
	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/web"
)

// settingsVariable holds the job.Settings as JSON.
const settingsVariable = "SOLOCRON_SETTINGS"

// listFor is how long a list of the fleet is believed. Jobs that are due
// together then share it, and it is still fresher than an agent's heartbeat.
const listFor = 5 * time.Second

// open makes the handler with all its clients, and calls nobody.
func open(ctx context.Context, getenv func(string) string, log *slog.Logger) (*handler, error) {
	text := getenv(settingsVariable)
	if text == "" {
		return nil, errors.New(settingsVariable + " is not set: it holds the settings of the jobs file")
	}
	s, err := job.ReadSettings(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", settingsVariable, err)
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(s.EC2.Region))
	if err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	aws := cloud.New(cfg, &s.EC2)
	receivers := map[string]notifier.Notifier{}
	for name, t := range s.Topics {
		if receivers[name], err = cloud.Topic(cfg, t); err != nil {
			return nil, fmt.Errorf("notify target %s: %w", name, err)
		}
	}
	hosts := aws.Fleet()
	commands := aws.Executor(log)
	d := dispatch.New(dispatch.Options{
		Ledger: cloud.Ledger(cfg, s.Table, s.Retention), Executor: commands,
		Fleet: fleet.NewListing(hosts, listFor), Protector: hosts,
		Secret:   func(ref string) (string, error) { return "", fmt.Errorf("%s: secrets don't travel through SSM", ref) },
		Stepwise: true, Receivers: receivers, ClaimWithin: s.EC2.ClaimWithin, Settled: s.Settled, Log: log,
	})
	api := &web.Server{Dispatcher: d, Version: cmp.Or(release, "devel"), Ledger: "dynamodb://" + s.EC2.Region + "/" + s.Table, Started: time.Now(), Log: log}
	return &handler{steps: d, commands: commands, api: api.Handler(), document: s.EC2.Document, log: log}, nil
}

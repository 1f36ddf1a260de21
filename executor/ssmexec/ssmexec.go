// Package ssmexec is the executor for hosts behind the Systems Manager agent:
// an order travels one way, as a Run Command, and nobody can talk to its guard
// while it starts.
//
// # What is proof
//
// SendCommand takes no idempotency token, an answer to it may be lost, and no
// status that SSM reports of a command proves that it never ran, but for the few
// of [neverRan]. What decides is therefore the claim, a register in DynamoDB
// that is written once: the guard on the host writes its token there before it
// starts anything, by a request that was signed beforehand and travels with the
// order; or the scheduler takes the attempt back by writing there first. An
// attempt that was taken back never starts, however late its order arrives. An
// attempt without claim ([guard.Attempt.Unclaimed]) can't be taken back, and
// silence about it stays silence.
//
// # What can go wrong
//
// A host that can't reach DynamoDB refuses every claimed order, and says so.
// A command whose agent or host died is InProgress for SSM until it expires;
// EC2's word that the instance is gone, or the host's own answer to a question,
// ends the wait earlier. Questions to a host are Run Commands as well: they take
// a second or two, and wait behind the five commands that an agent runs at once.
package ssmexec

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// RunShellScript is AWS's own document, which works in place of ours but lets
// its senders run anything as root.
const RunShellScript = "AWS-RunShellScript"

// Options are what an Executor works with. Durations that are zero take the
// defaults that are named.
type Options struct {
	SSM *ssm.Client
	// DynamoDB and ClaimsTable hold the claims, in items with the string keys pk
	// and sk and the TTL attribute ttl. Without them only unclaimed attempts can
	// be started.
	DynamoDB    *dynamodb.Client
	ClaimsTable string
	// EC2 tells of instances that are gone; nil if nobody can be asked.
	EC2 *ec2.Client
	// Document is the SSM document that runs the guard: one with the content of
	// [guard.Document], or [RunShellScript].
	Document string
	// Report asks SSM to tell a topic of failed commands by itself; nil for no.
	Report *Report
	Log    *slog.Logger // nil for none

	ClaimWithin  time.Duration // how long Wait leaves an order unclaimed, 2m
	AskFirst     time.Duration // pause before the second question of a Wait, 1s
	AskMost      time.Duration // where the doubling pauses end, 15s
	AnswerWithin time.Duration // for what became of a command, from the host itself, 10s
	ErrandWithin time.Duration // for a stop or a page of output, 30s
}

// Report is where SSM tells of commands that failed, timed out or were
// cancelled, and the role that lets it.
type Report struct{ Topic, Role string } // ARNs

func (o Options) withDefaults() Options {
	for field, def := range map[*time.Duration]time.Duration{
		&o.ClaimWithin: 2 * time.Minute, &o.AskFirst: time.Second, &o.AskMost: 15 * time.Second,
		&o.AnswerWithin: 10 * time.Second, &o.ErrandWithin: 30 * time.Second,
	} {
		if *field == 0 {
			*field = def
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Executor is an [executor.Executor] over SSM Run Command. It has no goroutines
// of its own.
type Executor struct {
	opts   Options
	claims claims

	mu   sync.Mutex
	sent map[where]string // the commands of this process, by attempt, until their end is known
}

var _ executor.OneWay = (*Executor)(nil)

// where names an attempt on a host.
type where struct {
	host string
	at   guard.Attempt
}

// New returns an executor. It calls nothing.
func New(opts Options) *Executor {
	opts = opts.withDefaults()
	return &Executor{opts: opts, claims: claims{opts.DynamoDB, opts.ClaimsTable}, sent: map[where]string{}}
}

// Probe has nothing to ask: the fleet's listing says what is known of an agent.
// See [executor.Executor].
func (e *Executor) Probe(ctx context.Context, _ fleet.Host) fleet.Health {
	health := fleet.Health{CheckedAt: time.Now().UTC()}
	if ctx.Err() != nil {
		health.Refused = context.Cause(ctx).Error()
	}
	return health
}

// Close has nothing to release.
func (e *Executor) Close() error { return nil }

func (e *Executor) remember(h fleet.Host, a guard.Attempt, command string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sent[where{h.ID, a}] = command
}

func (e *Executor) remembered(h fleet.Host, a guard.Attempt) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sent[where{h.ID, a}]
}

func (e *Executor) forget(h fleet.Host, a guard.Attempt) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sent, where{h.ID, a})
}

// hybrid reports whether the host is a managed node outside of EC2.
func hybrid(h fleet.Host) bool { return strings.HasPrefix(h.ID, "mi-") }

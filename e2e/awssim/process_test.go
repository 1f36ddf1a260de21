package awssim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/executor/ssmexec"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// process is one of the function's. Killed, it neither sends nor hears
// anything any more: all that a process does to the world, it does by requests.
type process struct {
	w          *world
	alive      context.Context
	kill       func()
	steps      *dispatch.Dispatcher
	commands   *ssmexec.Executor
	invocation int // of the events that it has handled
}

var errKilled = errors.New("the process was killed")

func newProcess(w *world) *process {
	p := &process{w: w}
	alive, kill := context.WithCancelCause(w.ctx)
	p.alive, p.kill = alive, func() { kill(errKilled) }
	cfg := w.loop.Config(region)
	cfg.RetryMaxAttempts = 0 // the SDK's own
	cfg.HTTPClient = &http.Client{Transport: p}
	client := ssm.NewFromConfig(cfg)
	p.commands = ssmexec.New(ssmexec.Options{
		SSM: client, DynamoDB: dynamodb.NewFromConfig(cfg), ClaimsTable: claimsTable, Document: document, Log: w.log,
		ClaimWithin: claimWithin,
	})
	p.steps = dispatch.New(dispatch.Options{
		Ledger: remote{w.ledger, p}, Fleet: fleet.NewListing(listing{client}, 5*time.Second), Executor: p.commands,
		Secret: func(ref string) (string, error) { return "", fmt.Errorf("no secret %s", ref) },
		Log:    w.log, Stepwise: true, ClaimWithin: claimWithin, Settled: settled,
	})
	return p
}

// RoundTrip is a request of this process.
func (p *process) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(p.alive, func() { cancel(context.Cause(p.alive)) })()
	r = r.Clone(ctx)
	p.note(r)
	return network{p.w}.RoundTrip(r)
}

// note tells the witness of an order that is being sent.
func (p *process) note(r *http.Request) {
	if r.Header.Get("X-Amz-Target") != "AmazonSSM.SendCommand" {
		return
	}
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	var sent struct{ Comment string }
	if err = errors.Join(err, json.Unmarshal(body, &sent)); err != nil {
		p.w.t.Error(err)
		return
	}
	if !strings.Contains(sent.Comment, " ") { // else it only asks
		p.w.witness.sends(sent.Comment, fmt.Sprintf("%p %d", p, p.invocation))
	}
}

// listing is the fleet: all instances that Systems Manager knows.
type listing struct{ ssm *ssm.Client }

func (l listing) Hosts(ctx context.Context) ([]fleet.Host, error) { return l.Find(ctx, nil) }

func (l listing) Find(ctx context.Context, _ fleet.Selector) ([]fleet.Host, error) {
	out, err := l.ssm.DescribeInstanceInformation(ctx, &ssm.DescribeInstanceInformationInput{MaxResults: aws.Int32(50)})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", fleet.ErrInventory, err)
	}
	var list []fleet.Host
	for _, i := range out.InstanceInformationList {
		h := fleet.Host{ID: *i.InstanceId, Address: fleet.ByAgent}
		if i.PingStatus != types.PingStatusOnline {
			h.Refused = "SSM agent " + string(i.PingStatus)
		}
		list = append(list, h)
	}
	return list, nil
}

// remote is the ledger as a process reaches it: over the network, and under
// the knobs that hold for everything. Busy is as near as memory, since it is
// asked with a lock held: fake time stands still while others wait for that.
type remote struct {
	ledger.Ledger
	*process
}

var (
	errBusy = errors.New("the ledger is too busy")
	errCut  = errors.New("the ledger's answer was lost")
)

// call is one request to the ledger.
func call[T any](ctx context.Context, p *process, f func(context.Context) (T, error)) (out T, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.alive, func() { cancel(context.Cause(p.alive)) })()
	var none T
	if err := p.w.travel(ctx); err != nil {
		return none, err
	}
	knobs := p.w.loop.Knobs()
	if p.w.roll(every(knobs.Throttle).P) {
		return none, errBusy
	}
	out, err = f(ctx)
	if p.w.roll(every(knobs.Lost).P) {
		return none, errCut
	}
	if back := p.w.travel(ctx); back != nil {
		return none, back
	}
	return out, err
}

func every(knobs map[string]awsloop.Knob) awsloop.Knob { return knobs["*"] }

func (l remote) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	return call(ctx, l.process, func(ctx context.Context) ([]ledger.Outcome, error) { return l.Ledger.Write(ctx, changes...) })
}

func (l remote) Run(ctx context.Context, id string) (run.Run, error) {
	return call(ctx, l.process, func(ctx context.Context) (run.Run, error) { return l.Ledger.Run(ctx, id) })
}

func (l remote) Runs(ctx context.Context, q ledger.Query) ([]run.Run, error) {
	return call(ctx, l.process, func(ctx context.Context) ([]run.Run, error) { return l.Ledger.Runs(ctx, q) })
}

func (l remote) Job(ctx context.Context, name string) (ledger.Job, error) {
	return call(ctx, l.process, func(ctx context.Context) (ledger.Job, error) { return l.Ledger.Job(ctx, name) })
}

func (l remote) Jobs(ctx context.Context) ([]ledger.Job, error) {
	return call(ctx, l.process, l.Ledger.Jobs)
}

func (l remote) Spec(ctx context.Context, hash string) ([]byte, error) {
	return call(ctx, l.process, func(ctx context.Context) ([]byte, error) { return l.Ledger.Spec(ctx, hash) })
}

func (l remote) Check(ctx context.Context, name string, through time.Time) error {
	_, err := call(ctx, l.process, func(ctx context.Context) (struct{}, error) { return struct{}{}, l.Ledger.Check(ctx, name, through) })
	return err
}

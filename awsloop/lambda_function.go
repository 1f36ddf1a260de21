package awsloop

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// FunctionOptions describe a function. Name and Bootstrap are needed.
type FunctionOptions struct {
	Name      string
	Bootstrap string   // path of the executable
	Env       []string // NAME=value, beside what Lambda sets itself; nothing of this process's environment is handed on

	Timeout     time.Duration // of an invocation; 0 for 60 s
	InitTimeout time.Duration // of a start; 0 for Lambda's 10 s
	Concurrency int           // at most so many invocations at once; 0 for 10, what a new account has

	// Retries is how often an asynchronous invocation whose function failed is
	// tried again, 0 to 2; nil for Lambda's 2. MaxAge is when one is given up;
	// 0 for Lambda's 6 h.
	Retries *int
	MaxAge  time.Duration
	// Speed divides MaxAge and the waits of a minute, then two, before
	// retries; 0 for 1.
	Speed float64
	// OnDead is told of each asynchronous invocation that was given up.
	OnDead func(DeadLetter)

	Output io.Writer // of all its processes; nil for none

	architecture types.Architecture // what it runs on; empty for this machine's
	memory       int32              // in MB
}

// Function is one function with its processes. As on Lambda each of them serves
// one invocation at a time, is frozen until the next, and serves that if it is
// the first to be idle; another is started only if all are busy.
//
// It is safe for concurrent use.
type Function struct {
	server *Server
	arn    string
	tags   map[string]string
	mail   mail // of InvokeAsync
	slots  chan struct{}
	ctx    context.Context // ends with close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	o       FunctionOptions
	config  types.FunctionConfiguration
	version int // counts changes
	boxes   map[*sandbox]struct{}
	idle    []*sandbox
	inits   []time.Duration
	dead    []DeadLetter

	busyUntil time.Time // it was made or changed, and is not ready before
	pending   bool      // it was made, not changed
	rights    []statement
	invokes   *types.FunctionEventInvokeConfig // nil for none
}

// ErrThrottled is returned for an invocation beyond the function's concurrency.
var ErrThrottled = errors.New("rate exceeded: all of the function's concurrency is in use")

func newFunction(s *Server, o FunctionOptions) *Function {
	retries := 2
	if o.Retries == nil {
		o.Retries = &retries
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.InitTimeout == 0 {
		o.InitTimeout = 10 * time.Second
	}
	if o.Concurrency == 0 {
		o.Concurrency = 10
	}
	if o.MaxAge == 0 {
		o.MaxAge = 6 * time.Hour
	}
	if o.Speed == 0 {
		o.Speed = 1
	}
	if o.memory == 0 {
		o.memory = 128
	}
	if o.Output != nil {
		o.Output = &sharedWriter{to: o.Output}
	}
	f := &Function{
		server: s,
		o:      o,
		arn:    s.functionARN(o.Name),
		mail:   mail{server: s, knobs: func(k Knobs) DeliveryKnobs { return k.Invokes }},
		slots:  make(chan struct{}, o.Concurrency),
		boxes:  map[*sandbox]struct{}{},
	}
	f.config = defaultConfiguration(s, o)
	f.ctx, f.cancel = context.WithCancel(s.ctx)
	return f
}

// options are what is in force now.
func (f *Function) options() FunctionOptions {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.o
}

func (f *Function) name() string { return *f.config.FunctionName }

// ARN is the function's, without a qualifier.
func (f *Function) ARN() string { return f.arn }

// Invoke runs the function and waits for it. The payload is JSON; none is {}.
// functionError is "Unhandled" if the function returned an error, crashed or
// ran out of time; the response then is Lambda's JSON about it. err is
// [ErrThrottled], or the context's; the function runs on then.
func (f *Function) Invoke(ctx context.Context, payload []byte) (response []byte, functionError string, err error) {
	if err := f.take(ctx, false); err != nil {
		return nil, "", err
	}
	done, err := f.begin(f.server.guid(), payload)
	if err != nil {
		return nil, "", err
	}
	select {
	case o := <-done:
		return o.payload, o.functionError, nil
	case <-ctx.Done():
		return nil, "", context.Cause(ctx)
	}
}

// take gets a share of the concurrency, waiting for it or not.
func (f *Function) take(ctx context.Context, wait bool) error {
	select {
	case f.slots <- struct{}{}:
		return nil
	default:
	}
	if !wait {
		return ErrThrottled
	}
	select {
	case f.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-f.ctx.Done():
		return context.Cause(f.ctx)
	}
}

// begin runs the function, for which the caller took a share of the
// concurrency. There will be one outcome.
func (f *Function) begin(id string, payload []byte) (<-chan outcome, error) {
	i := newInvocation(id, payload)
	ok := f.spawn(func() {
		defer func() { <-f.slots }()
		f.serve(i)
	})
	if !ok {
		<-f.slots
		return nil, errClosed
	}
	return i.done, nil
}

var errClosed = errors.New("the function is closed")

// serve has a process run the invocation, until that process is ready for
// another or gone.
func (f *Function) serve(i *invocation) {
	for {
		box, failure := f.ready(i.id)
		if box == nil {
			i.finish(failure)
			return
		}
		if box.serve(i) {
			return
		}
	}
}

// ready returns a process that waits for work: the one that was idle least
// long, else a new one. Lambda starts one that fails to come up once more, and
// then under the function's own timeout.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
func (f *Function) ready(id string) (*sandbox, outcome) {
	if box := f.wake(); box != nil {
		return box, outcome{}
	}
	var failure outcome
	o := f.options()
	for _, limit := range []time.Duration{o.InitTimeout, o.Timeout} {
		box, err := f.start()
		if err != nil {
			return nil, failed("Runtime.InvalidEntrypoint", id, "fork/exec "+o.Bootstrap+": "+err.Error())
		}
		var ok bool
		if failure, ok = box.init(id, limit); ok {
			return box, outcome{}
		}
	}
	return nil, failure
}

func (f *Function) wake() *sandbox {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.idle) > 0 {
		last := len(f.idle) - 1
		box := f.idle[last]
		f.idle = f.idle[:last]
		if !box.gone() {
			return box
		}
	}
	return nil
}

// park freezes a process that asked for more work. Only who takes it out of
// the idle ones thaws it.
func (f *Function) park(box *sandbox) {
	box.freeze()
	f.mu.Lock()
	defer f.mu.Unlock()
	if box.version != f.version {
		box.kill()
		return
	}
	f.idle = append(f.idle, box)
}

// KillOne kills a process that is serving an invocation, as by kill -9, and
// reports whether there was one.
func (f *Function) KillOne() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for box := range f.boxes {
		if box.busy() {
			box.kill()
			return true
		}
	}
	return false
}

// Recycle kills the idle processes, so that the next invocation starts one.
func (f *Function) Recycle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, box := range f.idle {
		box.kill()
	}
	f.idle = nil
}

// Inits are how long each process took from its start to its first request for
// work.
func (f *Function) Inits() []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.inits)
}

// spawn runs g in a goroutine that close waits for; not after close.
func (f *Function) spawn(g func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.work.Go(g)
	}
	return !f.closed
}

func (f *Function) close() {
	f.mu.Lock()
	f.closed = true
	f.cancel()
	for box := range f.boxes {
		box.kill()
	}
	f.mu.Unlock()
	f.work.Wait()
}

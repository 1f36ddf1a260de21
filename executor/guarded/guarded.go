// Package guarded is the executor for every host whose guard can be talked to
// while it starts: it holds the whole conversation, and a [Transport] carries
// it. The executors for this machine and for SSH differ in their transport
// alone, so that what they prove is the same.
//
// Until go is written nothing can start, whatever else happens; from then on
// only the host knows. A conversation that breaks after go is therefore no
// error of the run: Wait asks the host until it hears the end.
package guarded

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"golang.org/x/sync/semaphore"
)

// Transport carries conversations with guards.
type Transport interface {
	// Open starts a guard with the verb on the host. It ends soon after ctx does;
	// an opened session outlives ctx. An error that means that the host cannot be
	// reached at all wraps [executor.ErrUnreachable].
	Open(ctx context.Context, h fleet.Host, verb string, args ...string) (Session, error)
	// Close ends all sessions.
	Close() error
}

// Session is a conversation with one guard: reads hear it, writes reach it.
// Close may be called at any time and more than once, and makes pending reads
// and writes fail; a guard whose command runs goes on without listener.
type Session interface {
	io.ReadWriteCloser
	// Complaint is what the guard's shell wrote to its standard error, bounded.
	Complaint() string
}

// Remote is a session whose host may be out of reach without anybody's noticing.
type Remote interface {
	Session
	// Answers returns an error unless the host just answered.
	Answers() error
}

// Options are the bounds of the conversations. Zero values take the defaults
// that are named.
type Options struct {
	Link guard.Link // how the guard should wait for go and report output
	// Dir, if it is set, is an attempt's run directory on this machine. Output is
	// then read from there instead of being sent.
	Dir func(fleet.Host, guard.Attempt) string
	// Starting is how many guards may be getting ready at once, and how many
	// commands may be between their go and their first process, each in order of
	// arrival. Zero is no bound.
	Starting int64
	// Holds, if it is set, says whether one more guard may stand ready on the host
	// for longer than a go takes to commit.
	Holds func(fleet.Host) bool

	ReadyWithin time.Duration // from the open session to ready, 30s
	GoWithin    time.Duration // to hand over go, 10s
	AskWithin   time.Duration // one question and its answer, 30s
	StopWithin  time.Duration // a stop that must end the tree itself, 2m
	DrainWithin time.Duration // how long output may come after the end, 1s

	AskFirst time.Duration // pause before the second question of a Wait, 1s
	AskMost  time.Duration // where the doubling pauses end, 15s

	KeepDays     int           // how long hosts keep ended attempts, 7
	MinFreeBytes int64         // what a healthy host has free for run directories, 64 MiB
	MaxSkew      time.Duration // how wrong a healthy host's clock may be, 1m
}

func (o Options) withDefaults() Options {
	for field, def := range map[*time.Duration]time.Duration{
		&o.ReadyWithin: 30 * time.Second, &o.GoWithin: 10 * time.Second, &o.AskWithin: 30 * time.Second,
		&o.StopWithin: 2 * time.Minute, &o.DrainWithin: time.Second,
		&o.AskFirst: time.Second, &o.AskMost: 15 * time.Second, &o.MaxSkew: time.Minute,
	} {
		if *field == 0 {
			*field = def
		}
	}
	if o.KeepDays == 0 {
		o.KeepDays = 7
	}
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = 64 << 20
	}
	return o
}

// Executor is an [executor.Executor] over a transport.
type Executor struct {
	transport Transport
	opts      Options
	readying  *semaphore.Weighted // nil for no bound
	starting  *semaphore.Weighted // nil for no bound

	mu     sync.Mutex
	live   map[where]*following
	held   map[where]Remote     // what stands ready
	pruned map[string]time.Time // by host: when it was last asked to remove old attempts
	wg     sync.WaitGroup       // the followers
	quit   context.Context
	stop   context.CancelFunc
}

var _ executor.Patient = (*Executor)(nil)

// where names an attempt on a host.
type where struct {
	host string
	at   guard.Attempt
}

// New returns an executor that owns the transport.
func New(t Transport, opts Options) *Executor {
	e := &Executor{transport: t, opts: opts.withDefaults(), live: map[where]*following{}, held: map[where]Remote{}, pruned: map[string]time.Time{}}
	if opts.Starting > 0 {
		e.readying = semaphore.NewWeighted(opts.Starting)
		e.starting = semaphore.NewWeighted(opts.Starting)
	}
	e.quit, e.stop = context.WithCancel(context.Background())
	return e
}

// Close ends all conversations and waits for those that listen.
func (e *Executor) Close() error {
	e.stop()
	err := e.transport.Close()
	e.wg.Wait()
	return err
}

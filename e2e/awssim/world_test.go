package awssim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/memledger"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

const (
	region      = "us-east-1"
	claimWithin = 2 * time.Minute
	settled     = 75 * time.Second
)

// world is an account with solocron in it, inside a bubble of fake time that
// begins at midnight, the first of January 2000. Its chances are seeded, but
// what happens at one instant happens in any order.
type world struct {
	t       *testing.T
	loop    *awsloop.Server
	ledger  *memledger.Ledger
	claims  *table
	hosts   []*host
	lambda  *lambda
	witness *witness
	log     *slog.Logger
	ctx     context.Context // of all that goes on in the world

	mu      sync.Mutex
	rand    *rand.Rand
	reboot  awsloop.Knob
	ended   bool
	cancel  context.CancelFunc
	running sync.WaitGroup
}

var midnight = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// aJobOfEach are the jobs, all of which come due every minute.
var aJobOfEach = []job.Job{
	{Name: "allow", Overlap: job.Allow, Pick: fleet.Random},
	{Name: "busy", Overlap: job.Allow, Pick: fleet.LeastBusy},
	{Name: "skip", Overlap: job.Skip, Pick: fleet.RoundRobin},
	{Name: "buffer", Overlap: job.BufferAll, Pick: fleet.Sticky},
	{Name: "unclaimed", Overlap: job.Allow, Pick: fleet.Random, Unclaimed: true},
}

const hosts = 5

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, ledger: memledger.New(), witness: newWitness(), rand: rand.New(rand.NewPCG(seed, 1)),
		log: slog.New(slog.DiscardHandler),
	}
	if os.Getenv("SOLOCRON_TEST_LOG") != "" {
		w.log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	w.ctx, w.cancel = context.WithCancel(t.Context())
	w.loop = awsloop.New(awsloop.Options{Region: region, Seed: seed, Log: w.log})
	w.claims = newTable(t)
	w.loop.Handle("dynamodb", w.claims)
	w.document()
	for n := range hosts {
		w.hosts = append(w.hosts, newHost(w, fmt.Sprintf("i-%017d", n)))
	}
	w.lambda = newLambda(w)
	w.loop.OnEvent(w.lambda.event)
	return w
}

const document = "solocron"

// document makes the guard's document, but for its script, which runs nowhere
// here and takes most of the stand-in's time.
func (w *world) document() {
	w.t.Helper()
	var content map[string]any
	if err := json.Unmarshal(guard.Document(), &content); err != nil {
		w.t.Fatal(err)
	}
	inputs := content["mainSteps"].([]any)[0].(map[string]any)["inputs"].(map[string]any)
	inputs["runCommand"] = []string{"solocron-guard {{ verb }} {{ run }} {{ order }}"}
	text, err := json.Marshal(content)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = ssm.NewFromConfig(w.loop.Config(region)).CreateDocument(w.t.Context(), &ssm.CreateDocumentInput{
		Name: aws.String(document), Content: aws.String(string(text)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// put makes the jobs known, due in each of the first so many minutes.
func (w *world) put(minutes int) {
	w.t.Helper()
	for _, j := range aJobOfEach {
		j.When = schedule.Spec{Expr: fmt.Sprintf("1-%d 0 1 1 *", minutes), Seed: j.Name}
		j.Command, j.OutputBytes = "true", 1<<20
		j.StartWithin, j.Timeout, j.Grace = 10*time.Minute, commandTimeout, 10*time.Second
		j.Catchup.Mode = job.CatchupNone
		j.Retry = job.Retry{On: []run.State{run.Failed, run.TimedOut}, Host: job.AnyHost}
		spec := ledger.JobSpec{Name: j.Name, Hash: j.Hash(), When: j.WhenHash(), Body: j.Body()}
		if err := w.ledger.PutJobs(w.t.Context(), time.Now(), spec); err != nil {
			w.t.Fatal(err)
		}
	}
}

// How long is waited after the last due time: until all faults are over, and
// then for the end of everything.
const (
	troubled = 6 * time.Minute
	atMost   = time.Hour
)

// pass lets the jobs come due for so many minutes under the faults, and waits
// until all is over.
func (w *world) pass(minutes int, k trouble) {
	w.put(minutes)
	// Every world has times of its own: some orders then arrive before they are
	// taken back and some after, and some events come twice at once.
	k.SSM.Delay.For += w.upTo(time.Minute)
	k.Events.Duplicate.For = w.upTo(k.Events.Duplicate.For)
	k.Invokes.Duplicate.For = w.upTo(k.Invokes.Duplicate.For)
	w.set(k)
	last := midnight.Add(time.Duration(minutes) * time.Minute)
	for at := midnight.Add(time.Minute); at.Before(last.Add(atMost)); at = at.Add(time.Minute) {
		w.rest(w.ctx, time.Until(at))
		switch {
		case !at.After(last):
			w.come(at)
		case at.Equal(last.Add(troubled)):
			w.set(trouble{})
		case at.After(last.Add(troubled)) && w.over():
			return
		}
		w.spawn(func() {
			w.rest(w.ctx, w.upTo(3*time.Second))
			w.lambda.invokeAsync(sweep)
		})
	}
}

// come has EventBridge Scheduler deliver the due time of every job: most of
// the time at once, but always within its minute.
func (w *world) come(at time.Time) {
	for _, j := range aJobOfEach {
		late := time.Second
		if w.roll(0.4) {
			late = time.Minute
		}
		w.spawn(func() {
			w.rest(w.ctx, w.upTo(late))
			w.lambda.invokeAsync(due(j.Name, at))
		})
	}
}

func (w *world) set(k trouble) {
	w.loop.SetKnobs(k.Knobs)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reboot = k.Reboot
}

// over reports whether nothing is expected any more: also a lost run may still
// be heard of.
func (w *world) over() bool {
	w.t.Helper()
	open, err := w.ledger.Runs(w.t.Context(), ledger.Query{States: []run.State{run.Planned, run.Starting, run.Running, run.Lost}})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range open {
		if r.State != run.Lost || time.Since(r.EndedAt) < 20*time.Minute {
			return false
		}
	}
	return true
}

// end ends all that goes on in the world.
func (w *world) end() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.cancel()
	w.running.Wait()
	if err := w.loop.Close(); err != nil {
		w.t.Error(err)
	}
}

// spawn runs f in a goroutine that end waits for, and says whether it did: not
// after end.
func (w *world) spawn(f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return false
	}
	w.running.Go(f)
	return true
}

// roll draws whether something happens.
func (w *world) roll(p float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rand.Float64() < p
}

// upTo draws a time below d.
func (w *world) upTo(d time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(w.rand.Float64() * float64(d))
}

// rest waits for d and says whether ctx lasted as long.
func (w *world) rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// oneWay is how long half of a request to AWS takes at most.
const oneWay = 60 * time.Millisecond

// travel is one half of a request's way.
func (w *world) travel(ctx context.Context) error {
	if !w.rest(ctx, w.upTo(oneWay)) {
		return context.Cause(ctx)
	}
	return nil
}

// network is the way to AWS.
type network struct{ *world }

func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := n.travel(r.Context()); err != nil {
		return nil, err
	}
	answer, err := n.loop.RoundTripper().RoundTrip(r)
	if back := n.travel(r.Context()); back != nil {
		return nil, back
	}
	return answer, err
}

package dispatch

import (
	"context"
	"log/slog"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqliteledger"
)

// putting notes which jobs are put into the ledger.
type putting struct {
	ledger.Ledger
	puts []string
}

func (p *putting) PutJobs(ctx context.Context, now time.Time, specs ...ledger.JobSpec) error {
	for _, s := range specs {
		p.puts = append(p.puts, s.Name)
	}
	return p.Ledger.PutJobs(ctx, now, specs...)
}

// What the ledger has as it stands is not written again, and what it has in
// another way, or out of force, is.
func TestLoadPutsWhatChanged(t *testing.T) {
	l, err := sqliteledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := &putting{Ledger: l}
	a, b := aJob("a", "0 3 * * *"), aJob("b", "0 4 * * *")
	load := func(want ...string) {
		t.Helper()
		p.puts = nil
		d := New(Options{Ledger: p, Log: slog.New(slog.DiscardHandler)})
		if err := d.Load(t.Context(), &job.File{Jobs: []job.Job{a, b}}, nil); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(p.puts, want) {
			t.Errorf("put %q, want %q", p.puts, want)
		}
		for _, j := range []job.Job{a, b} {
			if k, err := l.Job(t.Context(), j.Name); err != nil || k.Current() != j.Hash() {
				t.Errorf("job %s stands under %q, want %q: %v", j.Name, k.Current(), j.Hash(), err)
			}
			if spec, err := d.spec(t.Context(), j.Hash()); err != nil || !reflect.DeepEqual(spec, j) {
				t.Errorf("job %s by its hash: %+v, %v", j.Name, spec, err)
			}
		}
	}
	load("a", "b")
	load()
	b.Command = "another"
	load("b")
	if err := l.Retire(t.Context(), time.Now(), "a", a.Hash()); err != nil {
		t.Fatal(err)
	}
	load("a")
	load()
}

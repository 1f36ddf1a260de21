package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/executor/sshdtest"
	"github.com/solocron/solocron/guard/guardtest"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/pgledger"
	"github.com/solocron/solocron/ledger/pgtest"
	"github.com/solocron/solocron/ledger/sqliteledger"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/web"
)

// kind is what a site's schedulers work with.
type kind struct {
	postgres bool // else SQLite
	ssh      bool // hosts behind a real sshd; else this machine, with the keeper
	two      bool // schedulers at a time
	alone    bool // one host; else two
}

func (k kind) String() string {
	name := "sqlite"
	if k.postgres {
		name = "postgres"
	}
	if k.ssh {
		name += " over ssh"
	}
	if k.two {
		name += ", two schedulers"
	}
	if k.alone {
		name += ", one host"
	}
	return name
}

// site is a folder with a jobs file, a ledger and a witness file, and a receiver
// of notices.
type site struct {
	t    *testing.T
	kind kind
	dir  string
	url  string    // of the ledger
	left time.Time // when the last scheduler was told to go

	mu   sync.Mutex
	told map[string]bool // runs that the receiver has heard of
}

// everyKind are jobs that together come through every state of a run.
const everyKind = `
  quick-0: { schedule: every 1s, overlap: allow, command: WITNESS }
  quick-1: { schedule: every 1s, command: WITNESS }
  failing: { schedule: every 2s, overlap: allow, retry: { attempts: 1, backoff: 0s }, command: "WITNESS; exit 3" }
  slow: { schedule: every 2s, overlap: allow, command: "WITNESS; sleep 0.4" }
  again: { schedule: every 2s, overlap: allow, idempotent: true, command: "WITNESS; sleep 0.3" }
  endless: { schedule: every 3s, timeout: 1s, overlap: allow, command: "WITNESS; exec sleep 30" }
  crowded: { schedule: every 1s, overlap: cancel-other, command: "WITNESS; sleep 1.3" }
  unwanted: { schedule: every 2s, overlap: allow, command: "WITNESS; exec sleep 3" }
  queued: { schedule: every 1s, overlap: buffer-one, command: "WITNESS; sleep 0.7" }
  loud: { schedule: every 3s, overlap: allow, output-limit: 1KiB, command: "WITNESS; head -c 300000 /dev/zero" }
`

// seldom is everyKind with fewer due times: over many cycles the commands must
// not take longer than the kills.
var seldom = strings.NewReplacer("every 1s", "every 2s", "every 2s", "every 7s", "every 3s", "every 13s").Replace(everyKind)

// newSite makes a site with the jobs.
func newSite(t *testing.T, k kind, jobs string) *site {
	t.Helper()
	s := &site{t: t, kind: k, dir: guardtest.Dir(t), told: map[string]bool{}}
	s.url = s.path("ledger.db")
	if k.postgres {
		s.url = fewer(t, pgtest.URL(t))
	}
	receiver := httptest.NewServer(http.HandlerFunc(s.hear))
	t.Cleanup(receiver.Close)
	hosts := "    a: { address: local, run-dir: DIR/a }\n"
	if !k.alone {
		hosts += "    b: { address: local, run-dir: DIR/b }\n"
	}
	if k.ssh {
		server := sshdtest.Start(t)
		hosts = ""
		for _, name := range []string{"a", "b"} {
			hosts += fmt.Sprintf("    %s: { address: %q, known-hosts: %q, identity-file: %q, run-dir: DIR/%s }\n",
				name, server.Address(), server.KnownHosts, server.IdentityFile, name)
		}
	}
	file := fmt.Sprintf("ledger: %q\nfleet:\n  hosts:\n%snotify: { targets: { people: { webhook: { url: %q } } } }\n"+
		"defaults: { start-within: 10m, catchup: all, timeout: 5s, grace: 0s }\njobs:\n%s", s.url, hosts, receiver.URL, jobs)
	file = strings.NewReplacer("DIR", s.dir, "WITNESS",
		`echo $SOLOCRON_RUN_ID $SOLOCRON_ATTEMPT $SOLOCRON_FENCE >> `+s.path("witness")).Replace(file)
	if err := os.WriteFile(s.path("jobs.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// fewer are the ledger's URL with a smaller pool: of a scheduler that is about to
// die, most connections would be opened in vain, and each is a process.
func fewer(t *testing.T, ledger string) string {
	u, err := url.Parse(ledger)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("pool_max_conns", "2")
	u.RawQuery = q.Encode()
	return u.String()
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// hear is the receiver of notices.
func (s *site) hear(w http.ResponseWriter, r *http.Request) {
	said, err := io.ReadAll(r.Body)
	if err != nil { // its scheduler was killed in the middle of it
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var m notifier.Message
	if err := json.Unmarshal(said, &m); err != nil {
		s.t.Errorf("a notice that can't be read: %v in %q", err, said)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told[m.Run] = true
}

// client talks to the site's n-th scheduler.
func (s *site) client(n int) *web.Client { return web.NewClient(s.socket(n)) }

func (s *site) socket(n int) string { return s.path(fmt.Sprintf("%d.sock", n)) }

// open opens the ledger, in which no scheduler may be at work if it is SQLite.
func (s *site) open() ledger.Ledger {
	s.t.Helper()
	var l ledger.Ledger
	var err error
	if s.kind.postgres {
		l, err = pgledger.Open(s.t.Context(), s.url)
	} else {
		l, err = sqliteledger.Open(s.t.Context(), s.url)
		if err == nil {
			var found string
			err = l.(*sqliteledger.Ledger).DB.QueryRow(`PRAGMA integrity_check`).Scan(&found)
			if err == nil && found != "ok" {
				s.t.Errorf("integrity check: %s", found)
			}
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// bury says of every dead scheduler that it is, as its beats would after a while.
// Nobody may be at work.
func (s *site) bury() {
	s.t.Helper()
	if !s.kind.postgres {
		return // the lock on the file says it
	}
	ctx := context.Background()
	l := s.open()
	defer l.Close()
	owners, err := l.Owners(ctx, time.Now())
	for _, owner := range owners {
		err = errors.Join(err, l.Leave(ctx, owner))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// history reads all that is on record. Nothing may be at work any more.
func (s *site) history() history {
	s.t.Helper()
	ctx := context.Background()
	l := s.open()
	defer l.Close()
	file, err := job.Load(s.path("jobs.yaml"))
	if err != nil {
		s.t.Fatal(err)
	}
	h := history{File: file, Until: time.Now().Add(-5 * time.Second), Left: s.left, Told: map[string]bool{}}
	if h.Jobs, err = l.Jobs(ctx); err != nil {
		s.t.Fatal(err)
	}
	if h.Runs, err = l.Runs(ctx, ledger.Query{}); err != nil {
		s.t.Fatal(err)
	}
	h.Starts = s.starts()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.told {
		h.Told[id] = true
	}
	return h
}

// starts are the commands that have started.
func (s *site) starts() []start {
	s.t.Helper()
	words, err := os.ReadFile(s.path("witness"))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	starts, err := readWitness(string(words))
	if err != nil {
		s.t.Fatal(err)
	}
	return starts
}

// judge holds the history to the promise.
func (s *site) judge() history {
	s.t.Helper()
	h := s.history()
	for _, broken := range h.check() {
		s.t.Errorf("%s: %s", s.kind, broken)
	}
	return h
}

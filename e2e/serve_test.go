package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/notifier"
)

// A failure and the recovery after it reach the one receiver that lives; the
// one that hangs holds up neither it nor the runs.
func TestNoticesReachTheirReceivers(t *testing.T) {
	s := newSite(t)
	var mu sync.Mutex
	var got []notifier.Message
	alive := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m notifier.Message
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &m); err != nil || r.Header.Get("Authorization") != "Bearer s3cret" {
			t.Errorf("the webhook got %s with %v: %v", body, r.Header, err)
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, m)
	}))
	defer alive.Close()
	release := make(chan struct{})
	dead := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer dead.Close()
	defer close(release)

	s.write("token", "Bearer s3cret\n")
	s.write("jobs.yaml", fmt.Sprintf(`
ledger: DIR/ledger.db
fleet: { hosts: { web-1: { address: local, run-dir: DIR/run } } }
notify:
  targets:
    alive: { webhook: { url: %q, headers: { Authorization: "file:DIR/token" } } }
    dead: { webhook: { url: %q } }
jobs:
  flaky:
    schedule: every 1s
    command: |
      echo "connecting"; test -e DIR/server-is-up && exit
      echo "no server" >&2; exit 7
`, alive.URL, dead.URL))
	d := s.serve("jobs.yaml")
	events := func() (all []notifier.Event) {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range got {
			all = append(all, m.Event)
		}
		return all
	}
	await(t, 20*time.Second, "the failure is told", func() bool { return len(events()) > 0 })
	mu.Lock()
	m := got[0]
	mu.Unlock()
	if m.Event != notifier.Failed || m.Job != "flaky" || m.Host != "web-1" || *m.ExitCode != 7 ||
		m.Tail != "connecting\nno server" || m.More != "solocron show "+m.Run || m.EndedAt.IsZero() {
		t.Errorf("told %+v", m)
	}
	s.write("server-is-up", "")
	await(t, 20*time.Second, "the recovery is told", func() bool {
		all := events()
		return all[len(all)-1] == notifier.Recovered
	})
	for _, r := range s.runs("jobs.yaml") {
		if r.StartedAt != nil && r.StartedAt.Sub(r.Due) > 5*time.Second {
			t.Errorf("run %s started %v late beside a dead receiver", r.ID, r.StartedAt.Sub(r.Due))
		}
	}
	d.stop()
	ledger, err := os.ReadFile(s.path("ledger.db"))
	if err != nil || strings.Contains(string(ledger)+d.log.String(), "s3cret") {
		t.Errorf("the secret is in the ledger or the log (%v)", err)
	}
}

// SIGHUP puts an edited file to work; a broken one leaves the old one there.
func TestFault13ReloadOfABrokenFile(t *testing.T) {
	s := newSite(t)
	const file = `
ledger: DIR/ledger.db
fleet: { hosts: { a: { address: local, run-dir: DIR/run } } }
`
	s.write("jobs.yaml", file+manyJobs(1, "every 1s"))
	d := s.serve("jobs.yaml")
	ran := func(job string) bool {
		for _, r := range s.runs("jobs.yaml") {
			if r.Job == job && r.State == "succeeded" {
				return true
			}
		}
		return false
	}
	hup := func() { d.signal(syscall.SIGHUP) }
	await(t, 20*time.Second, "the first job runs", func() bool { return ran("j000") })
	s.write("jobs.yaml", file+manyJobs(2, "evry 1s"))
	if out, err := s.try("check", "--file", s.path("jobs.yaml")); err == nil || !strings.Contains(err.Error(), "evry 1s") {
		t.Errorf("check of the broken file: %s, %v", out, err)
	}
	hup()
	await(t, 10*time.Second, "the broken file is refused", func() bool { return strings.Contains(d.log.String(), "the old file stays at work") })
	s.write("jobs.yaml", file+manyJobs(2, "every 1s"))
	hup()
	await(t, 20*time.Second, "the second job runs", func() bool { return ran("j001") })
	runs := s.runs("jobs.yaml")
	d.stop()
	for id, n := range s.starts() {
		if n != 1 {
			t.Errorf("run %s started %d times", id, n)
		}
	}
	checkComplete(t, runs, time.Second)
}

// A second daemon on the same SQLite file is told who has it, and leaves the
// first alone.
func TestFault35SecondDaemonOnOneFile(t *testing.T) {
	s := newSite(t)
	s.write("jobs.yaml", "ledger: DIR/ledger.db\nfleet: { hosts: { a: { address: local, run-dir: DIR/run } } }\n"+manyJobs(1, "every 1s"))
	first := s.serve("jobs.yaml")
	second := s.launch("jobs.yaml")
	<-second.done
	if code := second.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(second.log.String(), fmt.Sprintf("process %d", first.cmd.Process.Pid)) {
		t.Errorf("the second daemon ended with %d:\n%s", code, second.log)
	}
	if _, err := s.try("status", "--file", s.path("jobs.yaml")); err != nil {
		t.Errorf("the first daemon: %v", err)
	}
	first.stop()
}

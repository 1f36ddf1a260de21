package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/solocron/solocron/config"
	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/job"
)

// A file that the ledger does not take changes nothing, not even the hosts.
func TestFault13ReloadThatTheLedgerRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "jobs.yaml")
	write := func(host string) *job.File {
		t.Helper()
		content := fmt.Sprintf("ledger: %s/ledger.db\nfleet: { hosts: { %s: { address: local, run-dir: %s/run } } }\n"+
			"jobs: { %s-job: { schedule: '@daily', command: 'true' } }\n", dir, host, dir, host)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := job.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	old := write("old")
	var log bytes.Buffer
	s := &server{globals: &globals{file: path}, log: slog.New(slog.NewTextHandler(&log, nil))}
	var err error
	if s.parts, err = config.Open(t.Context(), old, s.log); err != nil {
		t.Fatal(err)
	}
	s.d = dispatch.New(dispatch.Options{Ledger: s.parts.Ledger, Fleet: s.parts.Fleet, Executor: s.parts.Executor, Log: s.log})
	if err := s.d.Load(t.Context(), old, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.parts.Close(); err != nil { // the ledger is away
		t.Fatal(err)
	}
	write("new")
	s.reload(t.Context())
	if !strings.Contains(log.String(), "the old file stays at work") {
		t.Errorf("the log: %s", &log)
	}
	hosts, err := s.parts.Hosts(t.Context())
	if err != nil || len(hosts) != 1 || hosts[0].ID != "old" {
		t.Errorf("hosts %+v, %v", hosts, err)
	}
	if jobs := s.d.File().Jobs; len(jobs) != 1 || jobs[0].Name != "old-job" {
		t.Errorf("jobs %+v", jobs)
	}
}

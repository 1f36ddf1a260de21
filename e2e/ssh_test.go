package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/executor/sshdtest"
	"github.com/solocron/solocron/web"
)

// The daemon on three real sshd with their own keys and run directories. One
// is never started. One is stopped while a command runs there, and comes back.
func TestThreeServersOverSSH(t *testing.T) {
	s := newSite(t)
	steady, flaky, never := sshdtest.Start(t), sshdtest.Start(t), sshdtest.Start(t)
	never.Stop()
	var hosts strings.Builder
	for name, server := range map[string]*sshdtest.Server{"steady": steady, "flaky": flaky, "never": never} {
		fmt.Fprintf(&hosts, "    %s: { address: %q, known-hosts: %q, identity-file: %q, run-dir: DIR/%s, tags: { name: %s } }\n",
			name, server.Address(), server.KnownHosts, server.IdentityFile, name, name)
	}
	s.write("jobs.yaml", `
ledger: DIR/ledger.db
fleet:
  hosts:
`+hosts.String()+`
jobs:
  often:
    schedule: every 1s
    overlap: allow
    pick: random
    command: echo "$SOLOCRON_RUN_ID $SOLOCRON_HOST" >> WITNESS
  long:
    schedule: "@yearly"
    hosts: { name: flaky }
    timeout: 1m
    command: |
      echo "$SOLOCRON_RUN_ID $SOLOCRON_HOST" >> WITNESS
      echo "it began"
      while [ ! -e DIR/let-it-end ]; do sleep 0.1; done
      echo "it ended"; exit 5
`)
	d := s.serve("jobs.yaml")
	out, err := s.try("run", "long", "--file", s.path("jobs.yaml"), "--output", "json")
	if err != nil {
		t.Fatal(err)
	}
	var long web.Run
	if err := json.Unmarshal(out, &long); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	await(t, 30*time.Second, "the long command runs", func() bool { return s.starts()[long.ID] == 1 })
	flaky.Stop()
	await(t, 30*time.Second, "jobs run on the one server that is left", func() bool {
		on := map[string]int{}
		for _, r := range s.runs("jobs.yaml") {
			if r.State == "succeeded" {
				on[r.Host]++
			}
		}
		return on["steady"] >= 10
	})
	if r := show(t, s, long.ID); r.State != "running" {
		t.Errorf("while its server can't be reached the long run is %s", r.State)
	}
	s.write("let-it-end", "")
	flaky.Restart()
	await(t, 45*time.Second, "the long run's true end is known", func() bool { return show(t, s, long.ID).State == "failed" })

	s.pause("jobs.yaml", s.runs("jobs.yaml"))
	await(t, time.Minute, "no run is open", func() bool { return settled(s.runs("jobs.yaml")) })
	runs := s.runs("jobs.yaml")
	checkHistory(t, runs, s.starts())
	end := show(t, s, long.ID)
	// Before the attempt's details there may be those of a look that found no host yet.
	said := end.Details[len(end.Details)-1].Output
	if end.ExitCode == nil || *end.ExitCode != 5 || said == nil || string(said.Head) != "it began\nit ended\n" {
		t.Errorf("the long run: %+v, output %+v", end.Run, said)
	}
	for _, r := range runs {
		if r.Job == "often" && r.State != "succeeded" && r.State != "skipped" {
			t.Errorf("run %s is %s: %s %+v", r.ID, r.State, r.Reason, r.Attempts)
		}
		if r.Host == "never" && r.StartedAt != nil {
			t.Errorf("run %s is said to have started on a server that never was", r.ID)
		}
	}
	d.stop()
	t.Logf("%d runs: %v", len(runs), tally(runs))
}

// show asks for one run.
func show(t *testing.T, s *site, id string) web.RunView {
	t.Helper()
	out, err := s.try("show", id, "--file", s.path("jobs.yaml"), "--output", "json")
	if err != nil {
		t.Fatal(err)
	}
	var v web.RunView
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("show --output json: %v in %s", err, out)
	}
	return v
}

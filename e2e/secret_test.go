package e2e

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/guard/guardtest"
)

// canary is a secret that is easy to find.
const canary = "canary-7f3a9c51e2"

// A secret is in the command's environment and nowhere else: not in another
// process, not in a file, not in what people and receivers are told.
func TestFault100SecretLeavesNoTrace(t *testing.T) {
	s := newSite(t)
	var mu sync.Mutex
	var told bytes.Buffer
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(&told, r.Body)
		http.Error(w, "not for "+r.Header.Get("Authorization"), http.StatusInternalServerError)
	}))
	defer receiver.Close()
	s.write("secret", canary+"\n")
	s.write("jobs.yaml", fmt.Sprintf(`
ledger: DIR/ledger.db
fleet: { hosts: { web-1: { address: local, run-dir: DIR/run } } }
notify: { targets: { ops: { webhook: { url: %q, headers: { Authorization: "file:DIR/secret" } } } } }
jobs:
  uses:
    schedule: "@yearly"
    secrets: { PASSWORD: "file:DIR/secret" }
    command: |
      [ "${#PASSWORD}" = %d ] || exit 9
      touch DIR/up
      while [ ! -e DIR/leave ]; do sleep 0.05; done
      exit 3
  lacks:
    schedule: "@yearly"
    secrets: { PASSWORD: "file:DIR/secret", OTHER: "file:DIR/nowhere" }
    command: touch DIR/started
`, receiver.URL, len(canary)))
	d := s.serve("jobs.yaml")
	for _, job := range []string{"uses", "lacks"} {
		if _, err := s.try("run", job, "--file", s.path("jobs.yaml")); err != nil {
			t.Fatal(err)
		}
	}
	await(t, 20*time.Second, "the command runs", func() bool { _, err := os.Stat(s.path("up")); return err == nil })
	with := 0
	for _, file := range []string{"cmdline", "environ"} {
		all, _ := filepath.Glob("/proc/[0-9]*/" + file)
		for _, path := range all {
			b, _ := os.ReadFile(path)
			if !bytes.Contains(b, []byte(canary)) {
				continue
			}
			if with++; file == "cmdline" || !bytes.Contains(b, []byte("SOLOCRON_JOB=uses\x00")) {
				t.Errorf("the secret is in %s", path)
			}
		}
	}
	if with == 0 {
		t.Error("the command has no secret")
	}
	s.write("leave", "")
	file := []string{"--file", s.path("jobs.yaml"), "--output", "json"}
	await(t, 30*time.Second, "both runs have ended", func() bool { return len(s.runs("jobs.yaml")) == 2 && settled(s.runs("jobs.yaml")) })
	var answers bytes.Buffer
	ask := func(args ...string) string {
		out, err := s.try(append(args, file...)...)
		fmt.Fprintf(&answers, "%s%v\n", out, err)
		return string(out)
	}
	for _, r := range s.runs("jobs.yaml") {
		if want := map[string]int{"uses": 3}; r.Job == "uses" && (r.ExitCode == nil || *r.ExitCode != want[r.Job]) || r.State != "failed" {
			t.Errorf("%+v", r)
		}
		await(t, 30*time.Second, "a failed delivery is on record", func() bool { return strings.Contains(ask("show", r.ID), "500") })
		out, _ := s.try("logs", r.ID, "--file", s.path("jobs.yaml"))
		answers.Write(out)
	}
	for _, verb := range []string{"runs", "status", "hosts", "next"} {
		ask(verb)
	}
	d.stop()
	mu.Lock()
	defer mu.Unlock()
	for what, text := range map[string]string{"an answer": answers.String(), "the log": d.log.String(), "a notice": told.String()} {
		if text == "" || strings.Contains(text, canary) {
			t.Errorf("the secret is in %s:\n%s", what, text)
		}
	}
	s.files(func(path string, mode fs.FileMode, content []byte) {
		if path != s.path("secret") && bytes.Contains(content, []byte(canary)) {
			t.Errorf("the secret is in %s", path)
		}
		if strings.Contains(path, "ledger.db") && mode&0o077 != 0 {
			t.Errorf("%s is open to others: %s", path, mode)
		}
	})
}

// files visits every file of the site.
func (s *site) files(visit func(path string, mode fs.FileMode, content []byte)) {
	s.t.Helper()
	err := filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		visit(path, info.Mode(), content)
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
}

// The API is on a socket that its owner alone can open, and on nothing else: the
// daemon listens on no network.
func TestFault87SocketIsItsOwners(t *testing.T) {
	guardtest.NeedRoot(t)
	guardtest.Need(t, "curl", "curl")
	s := newSite(t)
	if err := os.Chmod(s.dir, 0o755); err != nil { // nothing but the socket is in the way
		t.Fatal(err)
	}
	s.write("jobs.yaml", "ledger: DIR/ledger.db\nfleet: { hosts: { a: { address: local, run-dir: DIR/run } } }\n"+manyJobs(1, "@yearly"))
	d := s.serve("jobs.yaml")
	curl := func(uid uint32) (string, error) {
		c := exec.Command("curl", "--silent", "--show-error", "--fail", "--unix-socket", s.path("ledger.db.sock"), "http://solocron/v1/status")
		c.Dir = "/"
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := curl(0); err != nil || !strings.Contains(out, `"version"`) {
		t.Errorf("the owner: %v, %s", err, out)
	}
	if out, err := curl(65534); err == nil || strings.Contains(out, "version") {
		t.Errorf("somebody else: %v, %s", err, out)
	}
	if info, err := os.Stat(s.path("ledger.db.sock")); err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket is %v, %v", info.Mode(), err)
	}
	for _, at := range s.sockets(d) {
		t.Errorf("the daemon has a network socket: %s", at)
	}
	d.stop()
}

// sockets are the daemon's network sockets, as the kernel lists them.
func (s *site) sockets(d *daemon) (open []string) {
	s.t.Helper()
	pid := fmt.Sprint(d.cmd.Process.Pid)
	fds, err := filepath.Glob("/proc/" + pid + "/fd/*")
	if err != nil || len(fds) == 0 {
		s.t.Fatal(fds, err)
	}
	var listed strings.Builder
	for _, kind := range []string{"tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet"} {
		b, err := os.ReadFile("/proc/" + pid + "/net/" + kind)
		if err != nil && !os.IsNotExist(err) {
			s.t.Fatal(err)
		}
		listed.Write(b)
	}
	for _, fd := range fds {
		to, _ := os.Readlink(fd)
		inode, isSocket := strings.CutPrefix(to, "socket:[")
		inode = strings.TrimSuffix(inode, "]")
		for line := range strings.Lines(listed.String()) {
			if isSocket && slices.Contains(strings.Fields(line), inode) {
				open = append(open, line)
			}
		}
	}
	return open
}

package sshexec_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/executor/executortest"
	"github.com/solocron/solocron/executor/guarded"
	"github.com/solocron/solocron/executor/sshdtest"
	"github.com/solocron/solocron/executor/sshexec"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("golang.org/x/crypto/ssh.(*mux).openChannel")) // golang/go#26643
}

// quick are bounds that don't make a test wait.
var quick = sshexec.Options{
	HandshakeWithin: 3 * time.Second, SessionWithin: 2 * time.Second, KeepAlive: 200 * time.Millisecond,
	Home: "/nonexistent", AgentSocket: "/nonexistent",
	Guarded: guarded.Options{AskFirst: 50 * time.Millisecond, AskMost: 200 * time.Millisecond},
}

func hostOf(t *testing.T, s *sshdtest.Server) fleet.Host {
	return fleet.Host{ID: "far", Address: s.Address(), RunDir: guardtest.Dir(t), KnownHosts: s.KnownHosts, IdentityFile: s.IdentityFile}
}

func TestSuite(t *testing.T) {
	executortest.Run(t, func(t *testing.T) executortest.Env {
		s := sshdtest.Start(t)
		return executortest.Env{
			Host:    hostOf(t, s),
			Open:    func(*testing.T) executor.Executor { return sshexec.New(quick) },
			Cut:     s.Stop,
			Restore: s.Restart,
		}
	})
}

func order(h fleet.Host, n int, command string) guard.Order {
	return guard.Order{
		Attempt: guard.Attempt{Run: "job@20261122T023000Z", N: n, Kept: h.RunDir},
		Token:   "t", Job: "job", Host: h.ID, Command: command, Timeout: time.Minute, Grace: time.Second,
	}
}

func granted(context.Context) error { return nil }

// open returns an executor that ends with the test.
func open(t *testing.T, opts sshexec.Options) executor.Executor {
	x := sshexec.New(opts)
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

// run runs one command to its end.
func run(t *testing.T, x executor.Executor, h fleet.Host, n int, command string) guard.Result {
	t.Helper()
	o := order(h, n, command)
	if err := x.Start(t.Context(), h, o, granted); err != nil {
		t.Fatalf("attempt %d: %v", n, err)
	}
	res, err := x.Wait(t.Context(), h, o.Attempt)
	if err != nil {
		t.Fatalf("attempt %d: %v", n, err)
	}
	return res
}

// unreachable wants a start to prove that the host can't be reached, in words
// that help.
func unreachable(t *testing.T, h fleet.Host, opts sshexec.Options, words ...string) {
	t.Helper()
	x := open(t, opts)
	err := x.Start(t.Context(), h, order(h, 1, "true"), func(context.Context) error {
		t.Error("a start was granted")
		return nil
	})
	if executor.Proven(err) == nil || !errors.Is(err, executor.ErrUnreachable) {
		t.Errorf("%v: not a proof of an unreachable host", err)
	}
	health := x.Probe(t.Context(), h)
	for _, w := range words {
		if !strings.Contains(err.Error(), w) || !strings.Contains(health.Refused, w) {
			t.Errorf("no %q in %v, or not in %q", w, err, health.Refused)
		}
	}
}

func TestHostKeys(t *testing.T) {
	s := sshdtest.Start(t)
	h := hostOf(t, s)
	h.KnownHosts = filepath.Join(t.TempDir(), "known_hosts")
	unreachable(t, h, quick, "no known_hosts file "+h.KnownHosts, "ssh-keyscan -p ")
	if err := os.WriteFile(h.KnownHosts, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	unreachable(t, h, quick, "is not in "+h.KnownHosts, "ssh-keyscan -p ")
	if err := os.WriteFile(h.KnownHosts, []byte("127.0.0.1 ssh-ed25519 !\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	unreachable(t, h, quick, "known_hosts file "+h.KnownHosts)
}

// A server with keys of several kinds shows the one that is known.
func TestKnownKindOfHostKeyIsAskedFor(t *testing.T) {
	path, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Fatal("this test needs ssh-keygen: install Debian package openssh-client")
	}
	dir := t.TempDir()
	for _, kind := range []string{"ecdsa", "rsa"} {
		if out, err := exec.Command(path, "-q", "-N", "", "-t", kind, "-f", filepath.Join(dir, kind)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	s := sshdtest.Start(t, "HostKey "+dir+"/ecdsa", "HostKey "+dir+"/rsa")
	h := hostOf(t, s)
	for n, kind := range []string{"ed25519", "rsa", "ecdsa"} {
		if kind != "ed25519" {
			public, err := os.ReadFile(filepath.Join(dir, kind+".pub"))
			if err != nil {
				t.Fatal(err)
			}
			host, port, _ := net.SplitHostPort(s.Addr)
			h.KnownHosts = filepath.Join(dir, "known_"+kind)
			if err := os.WriteFile(h.KnownHosts, []byte("["+host+"]:"+port+" "+string(public)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if res := run(t, open(t, quick), h, n+1, "true"); res.End != guard.Exited {
			t.Errorf("%s: %+v", kind, res)
		}
	}
}

func TestLoginKeys(t *testing.T) {
	s := sshdtest.Start(t)
	h := hostOf(t, s)
	dir := t.TempDir()

	stranger := h
	stranger.IdentityFile = filepath.Join(dir, "stranger")
	sshdtest.WriteKey(t, stranger.IdentityFile)
	unreachable(t, stranger, quick, "log in as "+s.User)

	h.IdentityFile = filepath.Join(dir, "missing")
	unreachable(t, h, quick, "identity file: open "+h.IdentityFile)
	h.IdentityFile = filepath.Join(dir, "garbage")
	os.WriteFile(h.IdentityFile, []byte("no key"), 0o600)
	unreachable(t, h, quick, "identity file "+h.IdentityFile+" holds no private key")

	key, err := os.ReadFile(s.IdentityFile)
	if err != nil {
		t.Fatal(err)
	}
	h.IdentityFile = filepath.Join(dir, "locked")
	os.WriteFile(h.IdentityFile, key, 0o600)
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Fatal("this test needs ssh-keygen: install Debian package openssh-client")
	}
	if out, err := exec.Command(keygen, "-q", "-p", "-N", "passphrase", "-f", h.IdentityFile).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	unreachable(t, h, quick, "identity file "+h.IdentityFile+" has a passphrase", "ssh-add")

	withAgent := quick
	withAgent.AgentSocket = serveAgent(t, s.IdentityFile)
	if res := run(t, open(t, withAgent), h, 1, "true"); res.End != guard.Exited {
		t.Errorf("agent for a locked file: %+v", res)
	}
	h.IdentityFile = ""
	if res := run(t, open(t, withAgent), h, 2, "true"); res.End != guard.Exited {
		t.Errorf("agent alone: %+v", res)
	}
	unreachable(t, h, quick, "no key to log in with")
	atHome := quick
	atHome.Home = dir
	os.Mkdir(filepath.Join(dir, ".ssh"), 0o700)
	os.WriteFile(filepath.Join(dir, ".ssh/id_ed25519"), key, 0o600)
	if res := run(t, open(t, atHome), h, 3, "true"); res.End != guard.Exited {
		t.Errorf("key at home: %+v", res)
	}
}

// One connection serves all sessions up to MaxSessions; then another is opened.
func TestConnectionsAreSharedUpToMaxSessions(t *testing.T) {
	s := sshdtest.Start(t, "MaxSessions 3")
	h := hostOf(t, s)
	x := open(t, quick)
	for n := range 5 {
		run(t, x, h, n+1, "true")
	}
	if got := s.Connections(); got != 1 {
		t.Errorf("%d connections for one session at a time", got)
	}
	leave := filepath.Join(t.TempDir(), "leave")
	var wg sync.WaitGroup
	for n := range 10 {
		wg.Go(func() {
			o := order(h, 10+n, "while [ ! -e "+leave+" ]; do sleep 0.05; done")
			if err := x.Start(t.Context(), h, o, granted); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := s.Connections(); got < 4 || got > 10 {
		t.Errorf("%d connections for ten sessions, three each", got)
	}
	os.WriteFile(leave, nil, 0o600)
	for n := range 10 {
		if res, err := x.Wait(t.Context(), h, order(h, 10+n, "").Attempt); err != nil || res.End != guard.Exited {
			t.Errorf("%+v, %v", res, err)
		}
	}
}

func TestDroppedAndIdleConnections(t *testing.T) {
	s := sshdtest.Start(t)
	h := hostOf(t, s)
	opts := quick
	opts.KeepAlive, opts.IdleAfter = 300*time.Millisecond, 20*time.Millisecond // three of the former without an answer are the end
	x := open(t, opts)
	run(t, x, h, 1, "true")
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.Tick(5 * time.Millisecond); s.Connections() > 0; <-tick {
		if time.Now().After(deadline) {
			t.Fatal("an idle connection stays open")
		}
	}
	x = open(t, quick)
	run(t, x, h, 2, "true")
	s.KillSessions()
	if res := run(t, x, h, 3, "exit 3"); res.Code != 3 {
		t.Errorf("after the connection was dropped: %+v", res)
	}
}

// The guard's own environment doesn't come from the login.
func TestSecretsAndEnvironment(t *testing.T) {
	s := sshdtest.Start(t)
	h := hostOf(t, s)
	o := order(h, 1, "env")
	o.Secrets = map[string]string{"PASSWORD": "it's $ecret\n2nd line"}
	x := open(t, quick)
	if err := x.Start(t.Context(), h, o, granted); err != nil {
		t.Fatal(err)
	}
	res, err := x.Wait(t.Context(), h, o.Attempt)
	got := string(res.Output.Head)
	if err != nil || !strings.Contains(got, "PASSWORD=it's $ecret\n2nd line\n") || strings.Contains(got, "SSH_CONNECTION") || !strings.Contains(got, "LOGNAME="+s.User+"\n") {
		t.Errorf("%v: %s", err, got)
	}
}

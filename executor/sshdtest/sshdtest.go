// Package sshdtest runs real sshd servers on this machine for tests, each with a
// key, a port and a login key of its own: on loopback, or behind a cable that can
// be pulled.
package sshdtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Server is one sshd. It lets the user of the test log in.
type Server struct {
	Addr         string // host:port on loopback
	User         string
	KnownHosts   string // file that knows the server's key, and no other
	IdentityFile string // file with the key that may log in

	t    testing.TB
	dir  string
	by   []string // what starts sshd, if it isn't started directly
	mu   sync.Mutex
	proc *exec.Cmd
}

// withoutRC lets bash believe that it runs within another shell: then it leaves
// the user's .bashrc alone, which is no part of a test and may take far longer
// than all that is.
const withoutRC = "SetEnv SHLVL=1"

// Start starts a server that ends with the test. settings are further lines of
// its sshd_config, which win over the server's own.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	return start(t, freeAddr(t), nil, settings)
}

func start(t testing.TB, addr string, by, settings []string) *Server {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &Server{t: t, dir: dir, by: by, User: me.Username, Addr: addr,
		KnownHosts: filepath.Join(dir, "known_hosts"), IdentityFile: filepath.Join(dir, "identity")}
	public := WriteKey(t, s.IdentityFile)
	s.write("authorized_keys", string(ssh.MarshalAuthorizedKey(public)))
	s.RenewKey()
	s.write("known_hosts", knownhosts.Line([]string{s.Addr}, s.hostKey())+"\n")
	host, port, _ := net.SplitHostPort(s.Addr)
	s.write("sshd_config", strings.Join(settings, "\n")+fmt.Sprintf(`
ListenAddress %s
Port %s
HostKey %s/host_key
AuthorizedKeysFile %s/authorized_keys
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
UseDNS no
%s
`, host, port, dir, dir, withoutRC))
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(s.Stop)
	s.Restart()
	return s
}

// Address is the server as a host's address in the fleet.
func (s *Server) Address() string { return "ssh://" + s.User + "@" + s.Addr }

// Restart starts the server again on its port, after [Server.Stop].
func (s *Server) Restart() {
	s.t.Helper()
	path, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		s.t.Fatal("this test needs /usr/sbin/sshd: install Debian package openssh-server")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		return
	}
	argv := append(slices.Clone(s.by), path, "-D", "-e", "-f", filepath.Join(s.dir, "sshd_config"))
	cmd := exec.Command(argv[0], argv[1:]...)
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.proc = cmd
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.Tick(5 * time.Millisecond); ; <-tick {
		c, err := net.Dial("tcp", s.Addr)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			cmd.Process.Kill()
			cmd.Wait()
			words, _ := os.ReadFile(log.Name())
			s.t.Fatalf("sshd did not listen on %s: %v\n%s", s.Addr, err, words)
		}
	}
}

// Stop ends the server and all of its connections. Commands go on.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return
	}
	sessions := s.sessions()
	s.proc.Process.Kill()
	signal(sessions, syscall.SIGKILL)
	s.proc.Wait()
	s.proc = nil
}

// KillSessions ends all connections; the server goes on.
func (s *Server) KillSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		signal(s.sessions(), syscall.SIGKILL)
	}
}

// Freeze halts the server and its connections, so that they stay open and
// silent, until [Server.Thaw].
func (s *Server) Freeze() { s.halt(syscall.SIGSTOP) }

// Thaw ends [Server.Freeze].
func (s *Server) Thaw() { s.halt(syscall.SIGCONT) }

func (s *Server) halt(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		signal(append(s.sessions(), s.proc.Process.Pid), sig)
	}
}

// Connections is how many connections are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return 0
	}
	return len(children(s.proc.Process.Pid))
}

// sessions are the server's own processes below the one that listens.
func (s *Server) sessions() []int {
	var all []int
	for _, pid := range children(s.proc.Process.Pid) {
		all = append(all, pid)
		for _, below := range children(pid) {
			if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", below)); strings.HasPrefix(string(name), "sshd") {
				all = append(all, below)
			}
		}
	}
	return all
}

func children(pid int) []int {
	var pids []int
	words, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for word := range strings.FieldsSeq(string(words)) {
		if child, err := strconv.Atoi(word); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

func signal(pids []int, sig syscall.Signal) {
	for _, pid := range pids {
		syscall.Kill(pid, sig)
	}
}

// RenewKey gives the server another host key, which takes effect with the next
// start and which KnownHosts doesn't know.
func (s *Server) RenewKey() {
	s.t.Helper()
	s.write("host_key.pub", string(ssh.MarshalAuthorizedKey(WriteKey(s.t, filepath.Join(s.dir, "host_key")))))
}

func (s *Server) hostKey() ssh.PublicKey {
	text, err := os.ReadFile(filepath.Join(s.dir, "host_key.pub"))
	if err != nil {
		s.t.Fatal(err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

func (s *Server) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// WriteKey writes a new private key to a file and returns its public half.
func WriteKey(t testing.TB, file string) ssh.PublicKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

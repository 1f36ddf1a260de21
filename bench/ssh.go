package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// What a start over a kept SSH connection may come to.
const goalSSH = 8 * time.Millisecond

// overSSH measures starts on hosts behind real SSH servers, which are all this
// machine: whatever a host has to do counts here.
func (b *bench) overSSH() error {
	b.heading("Over SSH", "OpenSSH servers on the loopback, all on this machine, and connections that are kept. The limit is the same commands by as\nmany sessions of one kept connection to each host, 2 at a time for each, with no guard, ledger or output.")
	if err := b.sshRounds(1, 1); err != nil {
		return err
	}
	return b.sshRounds(1000, 20)
}

// sshRounds lets solocron and the bare sessions take turns with n commands on so
// many hosts.
func (b *bench) sshRounds(n, hosts int) (err error) {
	farm, err := b.startHosts(hosts)
	defer func() { b.stay, err = nil, errors.Join(err, farm.stop()) }()
	if err != nil {
		return err
	}
	for _, server := range farm.servers {
		b.stay = append(b.stay, server.Process.Pid)
	}
	var ours, limit []round
	for range b.rounds {
		r, err := b.once(starter{"solocron", func(b *bench, e errand) (time.Time, int64, error) {
			e.fleet = farm.fleet
			return b.bySolocron(e)
		}}, n, false, "")
		if err != nil {
			return err
		}
		ours = append(ours, r)
		if r, err = b.once(starter{"bare sessions", farm.bare}, n, false, ""); err != nil {
			return err
		}
		limit = append(limit, r)
	}
	label := fmt.Sprintf("%d on %d", n, hosts)
	b.tableHead("due at once")
	b.row(label, "solocron", func(c column) string { return fmt.Sprintf(c.form, middle(ours, c.of)) })
	b.row(label, "bare sessions", func(c column) string { return fmt.Sprintf(c.form, middle(limit, c.of)) })
	b.row(label, "**ratio**", func(c column) string { return fmt.Sprintf("%.2f", ratio(ours, limit, c.of)) })
	fmt.Fprintln(b.out)
	if n == 1 {
		fmt.Fprintf(b.out, "| what | figure | goal | |\n|---|---|---|---|\n")
		b.judge("from due to started, p50, ms", ms(middle(ours, func(r round) time.Duration { return r.p50 })), ms(goalSSH))
		fmt.Fprintln(b.out)
	}
	return nil
}

// farm are SSH servers and what leads to them.
type farm struct {
	servers []*exec.Cmd
	addrs   []string
	fleet   string // as the jobs file has it
	config  ssh.ClientConfig
}

// startHosts starts so many SSH servers. The farm is to be stopped after an error
// too.
func (b *bench) startHosts(n int) (*farm, error) {
	f := &farm{}
	dir, err := os.MkdirTemp(b.root, "ssh-")
	if err != nil {
		return f, err
	}
	me, err := user.Current()
	if err != nil {
		return f, err
	}
	identity, err := writeKey(filepath.Join(dir, "identity"))
	if err != nil {
		return f, err
	}
	host, err := writeKey(filepath.Join(dir, "host_key"))
	if err != nil {
		return f, err
	}
	if err := os.WriteFile(filepath.Join(dir, "authorized_keys"), ssh.MarshalAuthorizedKey(identity.PublicKey()), 0o600); err != nil {
		return f, err
	}
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return f, err
		}
	}
	f.config = ssh.ClientConfig{User: me.Username, Auth: []ssh.AuthMethod{ssh.PublicKeys(identity)}, HostKeyCallback: ssh.FixedHostKey(host.PublicKey())}
	var known, entries strings.Builder
	for i := range n {
		addr, err := f.serve(dir, i)
		if err != nil {
			return f, err
		}
		fmt.Fprintln(&known, knownhosts.Line([]string{addr}, host.PublicKey()))
		fmt.Fprintf(&entries, "h%02d: { address: %q, run-dir: %q, known-hosts: %q, identity-file: %q },",
			i, "ssh://"+me.Username+"@"+addr, filepath.Join(dir, fmt.Sprintf("run%02d", i)), filepath.Join(dir, "known_hosts"), filepath.Join(dir, "identity"))
	}
	f.fleet = "{ hosts: { " + entries.String() + " } }"
	return f, os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(known.String()), 0o600)
}

// writeKey makes a key and writes it to the file.
func writeKey(path string) (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(private)
}

// serve starts one server and returns its address.
func (f *farm) serve(dir string, i int) (string, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	addr := free.Addr().String()
	free.Close()
	_, port, _ := net.SplitHostPort(addr)
	settings := filepath.Join(dir, fmt.Sprintf("sshd_config%02d", i))
	// Without SHLVL a bash would read the user's .bashrc, which is none of ours.
	text := fmt.Sprintf("ListenAddress 127.0.0.1\nPort %s\nHostKey %s/host_key\nAuthorizedKeysFile %s/authorized_keys\nPidFile none\nUsePAM no\n"+
		"StrictModes no\nPermitRootLogin yes\nMaxStartups 200\nMaxSessions 200\nUseDNS no\nSetEnv SHLVL=1\n", port, dir, dir)
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		return "", err
	}
	server := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", settings)
	if err := server.Start(); err != nil {
		return "", fmt.Errorf("%w; this part needs Debian's openssh-server, or leave it out with -only", err)
	}
	f.servers = append(f.servers, server)
	f.addrs = append(f.addrs, addr)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return addr, conn.Close()
		}
		if time.Now().After(deadline) {
			return "", err
		}
	}
}

func (f *farm) stop() error {
	for _, server := range f.servers {
		_ = server.Process.Kill()
		_ = server.Wait()
	}
	return reap()
}

// bare starts the errand's commands by sessions of connections that it made
// before they are due.
func (f *farm) bare(_ *bench, e errand) (done time.Time, _ int64, err error) {
	var clients []*ssh.Client
	for _, addr := range f.addrs {
		client, err := ssh.Dial("tcp", addr, &f.config)
		if err != nil {
			return done, 0, err
		}
		defer client.Close()
		clients = append(clients, client)
	}
	const each = 2
	work, ends := make(chan int), make(chan error)
	for i := range len(clients) * each {
		go func() {
			var failed error
			for range work {
				failed = errors.Join(failed, session(clients[i/each], e.command))
			}
			ends <- failed
		}()
	}
	time.Sleep(time.Until(e.due))
	for i := range e.n {
		work <- i
	}
	close(work)
	for range len(clients) * each {
		err = errors.Join(err, <-ends)
	}
	return time.Now(), 0, err
}

func session(client *ssh.Client, command string) error {
	s, err := client.NewSession()
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Run(command)
}

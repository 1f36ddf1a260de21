package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"
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
	var solocron, limit []round
	for range b.rounds {
		r, err := b.once(starter{name: "solocron", lead: ours.lead, do: func(b *bench, e errand) (time.Time, int64, error) {
			e.fleet = farm.fleet
			return b.bySolocron(e)
		}}, n, false, "")
		if err != nil {
			return err
		}
		solocron = append(solocron, r)
		if r, err = b.once(starter{name: "bare sessions", do: func(b *bench, e errand) (time.Time, int64, error) {
			e.argv = []string{farm.user, farm.identity, strings.Join(farm.addrs, ","), e.command}
			return b.byPeer("ssh", e)
		}}, n, false, ""); err != nil {
			return err
		}
		limit = append(limit, r)
	}
	label := fmt.Sprintf("%d on %d", n, hosts)
	b.tableHead("due at once", columns)
	b.row(label, "solocron", columns, func(c column) string { return fmt.Sprintf(c.form, middle(solocron, c.of)) })
	b.row(label, "bare sessions", columns, func(c column) string { return fmt.Sprintf(c.form, middle(limit, c.of)) })
	b.row(label, "**ratio**", columns, func(c column) string { return fmt.Sprintf("%.2f", ratio(solocron, limit, c.of)) })
	fmt.Fprintln(b.out)
	if n == 1 {
		fmt.Fprintf(b.out, "| what | figure | goal | |\n|---|---|---|---|\n")
		b.judge("from due to started, p50, ms", ms(middle(solocron, func(r round) time.Duration { return r.p50 })), ms(goalSSH))
		fmt.Fprintln(b.out)
	}
	return nil
}

// farm are SSH servers and what leads to them.
type farm struct {
	servers        []*exec.Cmd
	addrs          []string
	fleet          string // as the jobs file has it
	user, identity string // of a login
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
	if err := os.WriteFile(filepath.Join(dir, "authorized_keys"), []byte(identity+"\n"), 0o600); err != nil {
		return f, err
	}
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return f, err
		}
	}
	f.user, f.identity = me.Username, filepath.Join(dir, "identity")
	var known, entries strings.Builder
	for i := range n {
		addr, err := f.serve(dir, i)
		if err != nil {
			return f, err
		}
		name, port, _ := net.SplitHostPort(addr)
		fmt.Fprintf(&known, "[%s]:%s %s\n", name, port, host)
		fmt.Fprintf(&entries, "h%02d: { address: %q, run-dir: %q, known-hosts: %q, identity-file: %q },",
			i, "ssh://"+me.Username+"@"+addr, filepath.Join(dir, fmt.Sprintf("run%02d", i)), filepath.Join(dir, "known_hosts"), f.identity)
	}
	f.fleet = "{ hosts: { " + entries.String() + " } }"
	return f, os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(known.String()), 0o600)
}

// writeKey makes a key and returns its public half.
func writeKey(path string) (public string, err error) {
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path).CombinedOutput(); err != nil {
		return "", fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	line, err := os.ReadFile(path + ".pub")
	return strings.TrimSpace(string(line)), err
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

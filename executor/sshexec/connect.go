package sshexec

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"
)

// connect dials and logs in, each within its time.
func (r *remote) connect() (*ssh.Client, error) {
	opts, to := r.transport.opts, r.target
	check, algorithms, err := hostKeys(to.knownHosts, to.address)
	if err != nil {
		return nil, err
	}
	keys, done, err := loginKeys(to.identities, opts.Home, opts.AgentSocket)
	if err != nil {
		return nil, err
	}
	defer done()
	wire, err := net.DialTimeout("tcp", to.address, opts.DialWithin)
	if err != nil {
		return nil, err
	}
	if err := wire.SetDeadline(time.Now().Add(opts.HandshakeWithin)); err != nil {
		wire.Close()
		return nil, err
	}
	c, channels, requests, err := ssh.NewClientConn(wire, to.address, &ssh.ClientConfig{
		User:              to.user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(keys...)},
		HostKeyCallback:   check,
		HostKeyAlgorithms: algorithms,
		ClientVersion:     "SSH-2.0-solocron",
	})
	if err != nil {
		wire.Close()
		return nil, handshakeError(err, to.user)
	}
	if err := wire.SetDeadline(time.Time{}); err != nil {
		c.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

func handshakeError(err error, user string) error {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("the host accepted and then said nothing: %w", err)
	case strings.Contains(err.Error(), "unable to authenticate"): // the library has no type for it
		return fmt.Errorf("log in as %s: the host took none of the keys; add one to its authorized_keys, or set identity_file: %w", user, err)
	}
	return err
}

// hostKeys returns the check of a host's key against a known_hosts file, and
// the algorithms of the keys that the file holds for the host. Without these a
// server may show a key of another kind than the one that is known.
func hostKeys(file, address string) (ssh.HostKeyCallback, []string, error) {
	host, port, _ := net.SplitHostPort(address)
	remedy := fmt.Sprintf("compare the key with the host's own and add it: ssh-keyscan -p %s %s >>%s", port, host, file)
	known, err := knownhosts.New(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("no known_hosts file %s; %s", file, remedy)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("known_hosts file %s: %w", file, err)
	}
	check := func(name string, at net.Addr, key ssh.PublicKey) error {
		err := known(name, at, key)
		var mismatch *knownhosts.KeyError
		switch {
		case err == nil || !errors.As(err, &mismatch):
			return err
		case len(mismatch.Want) == 0:
			return fmt.Errorf("its key %s %s is not in %s; %s", key.Type(), ssh.FingerprintSHA256(key), file, remedy)
		}
		return fmt.Errorf("its key has changed to %s %s, which may be an attack; if the host was renewed, remove %s:%d and %s",
			key.Type(), ssh.FingerprintSHA256(key), mismatch.Want[0].Filename, mismatch.Want[0].Line, remedy)
	}
	return check, algorithms(known, address), nil
}

// algorithms asks for a key that nobody has, and is told those that are known.
func algorithms(known ssh.HostKeyCallback, address string) []string {
	stranger, err := ssh.NewPublicKey(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)))
	if err != nil {
		return nil
	}
	var mismatch *knownhosts.KeyError
	if !errors.As(known(address, &net.TCPAddr{IP: net.IPv4zero}, stranger), &mismatch) {
		return nil
	}
	var names []string
	for _, key := range mismatch.Want {
		switch kind := key.Key.Type(); kind {
		case ssh.KeyAlgoRSA:
			names = append(names, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			names = append(names, kind)
		}
	}
	return names
}

// defaultKeys are tried in this order, as OpenSSH does.
var defaultKeys = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

// loginKeys returns the keys to log in with: the host's own identity file, or
// else the user's; then those of the agent. done ends the agent's connection
// and may be called only after the login.
func loginKeys(identity, home, socket string) (keys []ssh.Signer, done func(), err error) {
	var agentKeys []ssh.Signer
	done = func() {}
	if socket != "" {
		if c, err := net.DialTimeout("unix", socket, time.Second); err == nil {
			if c.SetDeadline(time.Now().Add(time.Minute)) == nil {
				agentKeys, _ = agent.NewClient(c).Signers()
			}
			done = func() { c.Close() }
		}
	}
	files := []string{identity}
	if identity == "" {
		files = nil
		for _, name := range defaultKeys {
			files = append(files, filepath.Join(home, ".ssh", name))
		}
	}
	var last error
	for _, file := range files {
		key, err := readKey(file)
		switch {
		case err == nil:
			keys = append(keys, key)
		case identity == "" && errors.Is(err, fs.ErrNotExist):
		default:
			last = err
		}
	}
	// A key file that can't be used matters unless the agent stands in for it.
	var locked *ssh.PassphraseMissingError
	if last != nil && (identity != "" || len(keys) == 0) && !(errors.As(last, &locked) && len(agentKeys) > 0) {
		done()
		return nil, nil, last
	}
	if keys = append(keys, agentKeys...); len(keys) == 0 {
		done()
		return nil, nil, fmt.Errorf("no key to log in with: set identity_file, create %s with ssh-keygen, or start ssh-agent", filepath.Join(home, ".ssh", defaultKeys[0]))
	}
	return keys, done, nil
}

func readKey(file string) (ssh.Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("identity file: %w", err)
	}
	key, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, fmt.Errorf("identity file %s has a passphrase: load it with ssh-add and set SSH_AUTH_SOCK, or use a key without one: %w", file, err)
	case err != nil:
		return nil, fmt.Errorf("identity file %s holds no private key that can be read: %w", file, err)
	}
	return key, nil
}

// Package config opens the adapters that a jobs file names. It and the
// commands are the only code that knows them.
package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/executor/guarded"
	"github.com/solocron/solocron/executor/localexec"
	"github.com/solocron/solocron/executor/sshexec"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/fleet/commandfleet"
	"github.com/solocron/solocron/fleet/listfleet"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/pgledger"
	"github.com/solocron/solocron/ledger/sqliteledger"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/notifier/chat"
	"github.com/solocron/solocron/notifier/mail"
	"github.com/solocron/solocron/notifier/webhook"
)

// Parts are the opened adapters of one jobs file.
type Parts struct {
	Ledger   ledger.Ledger
	Sole     bool   // the ledger admits one scheduler at a time
	Where    string // the ledger as people know it, without a password
	Executor executor.Executor
	Fleet    *fleet.Watch

	inventory atomic.Pointer[fleet.Fleet]
}

// Open opens the ledger, the executors and the fleet. The caller closes the
// parts. No host is asked yet.
func Open(ctx context.Context, f *job.File) (*Parts, error) {
	p := &Parts{Where: f.Ledger}
	var err error
	if isPostgres(f.Ledger) {
		p.Where = withoutPassword(f.Ledger)
		p.Ledger, err = pgledger.Open(ctx, f.Ledger)
	} else {
		p.Sole = true
		p.Ledger, err = p.openSQLite(ctx)
	}
	if err != nil {
		return nil, err
	}
	limits := guarded.Options{
		MinFreeBytes: f.Fleet.MinFree, MaxSkew: f.Fleet.MaxSkew,
		KeepDays: max(1, int(f.Retention/(24*time.Hour))),
	}
	p.Executor = byAddress{
		local: localexec.New(localexec.Options{Guarded: limits}),
		ssh:   sshexec.New(sshexec.Options{Guarded: limits}),
	}
	if err := p.SetFleet(f); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.Fleet = fleet.NewWatch(p, p.Executor.Probe, fleet.WatchOptions{})
	return p, nil
}

// openSQLite opens the ledger's file, in a folder that is made if need be.
func (p *Parts) openSQLite(ctx context.Context) (ledger.Ledger, error) {
	path, err := atHome(p.Where)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", p.Where, err)
	}
	p.Where = path
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("ledger %s: %w; name a folder that this user may write to", path, err)
	}
	return sqliteledger.Open(ctx, path)
}

// Close releases everything that Open opened.
func (p *Parts) Close() error {
	return errors.Join(p.Executor.Close(), p.Ledger.Close())
}

// SetFleet makes the file's inventory the one that the watch lists from now on.
func (p *Parts) SetFleet(f *job.File) error {
	var inventory fleet.Fleet
	if f.Fleet.Command != "" {
		inventory = commandfleet.New(f.Fleet.Command, f.Fleet.Every)
	} else {
		hosts := fleet.Clone(f.Fleet.Hosts)
		for i := range hosts {
			for _, path := range []*string{&hosts[i].RunDir, &hosts[i].IdentityFile, &hosts[i].KnownHosts} {
				var err error
				if *path, err = atHome(*path); err != nil {
					return fmt.Errorf("host %s: %w", hosts[i].ID, err)
				}
			}
		}
		list, err := listfleet.New(hosts)
		if err != nil {
			return err
		}
		inventory = list
	}
	p.inventory.Store(&inventory)
	return nil
}

// Hosts lists the current inventory; it makes Parts a fleet.Fleet.
func (p *Parts) Hosts(ctx context.Context) ([]fleet.Host, error) {
	return (*p.inventory.Load()).Hosts(ctx)
}

// Receivers opens the notice targets of the file.
func Receivers(f *job.File) (map[string]notifier.Notifier, error) {
	all := make(map[string]notifier.Notifier, len(f.Targets))
	for name, t := range f.Targets {
		to, err := receiver(t)
		if err != nil {
			return nil, fmt.Errorf("notify target %s: %w", name, err)
		}
		all[name] = to
	}
	return all, nil
}

func receiver(t job.Target) (notifier.Notifier, error) {
	switch {
	case t.Webhook != nil:
		headers := make(map[string]string, len(t.Webhook.Headers))
		for name, value := range t.Webhook.Headers {
			var err error
			if headers[name], err = Resolve(value); err != nil {
				return nil, fmt.Errorf("header %s: %w", name, err)
			}
		}
		address, err := Resolve(t.Webhook.URL)
		if err != nil {
			return nil, err
		}
		return webhook.New(address, headers)
	case t.Mail != nil:
		password, err := Resolve(t.Mail.Password)
		if err != nil {
			return nil, err
		}
		return mail.New(mail.Options{
			Server: t.Mail.Server, TLS: t.Mail.TLS, User: t.Mail.User, Password: password,
			From: t.Mail.From, To: t.Mail.To,
		})
	case t.Chat != nil:
		address, err := Resolve(t.Chat.URL)
		if err != nil {
			return nil, err
		}
		return chat.New(address)
	}
	return nil, errors.New("names no webhook, mail or chat")
}

// Resolve returns the value behind "env:NAME" or "file:PATH", and any other
// text as it is.
func Resolve(text string) (string, error) {
	if strings.HasPrefix(text, "env:") || strings.HasPrefix(text, "file:") {
		return Secret(text)
	}
	return text, nil
}

// maxSecret is how large a secret's file may be.
const maxSecret = 64 << 10

// Secret returns the value behind "env:NAME", a variable of this process, or
// "file:PATH", without the file's last line end. Errors name the reference,
// never the value.
func Secret(ref string) (string, error) {
	kind, name, _ := strings.Cut(ref, ":")
	switch kind {
	case "env":
		value, ok := os.LookupEnv(name)
		if !ok {
			return "", fmt.Errorf("%s: the scheduler's environment has no %s; set it where solocron serve is started", ref, name)
		}
		return value, nil
	case "file":
		return secretFile(ref, name)
	}
	return "", fmt.Errorf("secret %q: want env:NAME or file:PATH", ref)
}

func secretFile(ref, path string) (string, error) {
	path, err := atHome(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", ref, err)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", ref, err)
	}
	defer file.Close()
	value, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", ref, err)
	case len(value) > maxSecret:
		return "", fmt.Errorf("%s: larger than %d bytes", ref, maxSecret)
	case strings.ContainsRune(string(value), 0):
		return "", fmt.Errorf("%s: holds a NUL byte, which no environment can carry", ref)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(value), "\n"), "\r"), nil
}

// atHome replaces a leading ~/ by the user's home directory.
func atHome(path string) (string, error) {
	rest, home := strings.CutPrefix(path, "~/")
	if !home {
		return path, nil
	}
	dir, err := os.UserHomeDir()
	return filepath.Join(dir, rest), err
}

func isPostgres(address string) bool {
	return strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://")
}

// withoutPassword is a database's URL as it may be shown.
func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "postgres"
	}
	return u.Redacted()
}

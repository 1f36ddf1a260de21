// Package config opens the adapters that a jobs file names. It and the
// commands are the only code that knows them.
package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/solocron/solocron/config/cloud"
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
	// Protector keeps hosts from being scaled in, and ClaimWithin is how long an
	// order may take to reach one. Nil and zero unless they are EC2 instances.
	Protector   fleet.Protector
	ClaimWithin time.Duration

	instances *instances // nil unless they are the hosts
	inventory atomic.Pointer[fleet.Fleet]
}

// Open opens the ledger, the executors and the fleet. The caller closes the
// parts. No host is asked yet. What AWS is needed for asks for its
// configuration, see [AWS].
func Open(ctx context.Context, f *job.File, log *slog.Logger) (*Parts, error) {
	p, aws := &Parts{Where: f.Ledger}, &account{}
	if err := p.openLedger(ctx, f, aws); err != nil {
		return nil, err
	}
	if err := p.openExecutor(ctx, f, aws, log); err != nil {
		return nil, errors.Join(err, p.Ledger.Close())
	}
	if err := p.SetFleet(f); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	var rhythm fleet.WatchOptions
	if f.Fleet.EC2 != nil {
		rhythm.Every = time.Minute // AWS's word is older than that, and a list takes a call for every 50 hosts
	}
	p.Fleet = fleet.NewWatch(p, p.Executor.Probe, rhythm)
	return p, nil
}

func (p *Parts) openLedger(ctx context.Context, f *job.File, aws *account) (err error) {
	region, table, dynamo := job.DynamoDB(f.Ledger)
	switch {
	case dynamo:
		p.Ledger, err = aws.openTable(ctx, region, table, f.Retention)
	case isPostgres(f.Ledger):
		p.Where = withoutPassword(f.Ledger)
		p.Ledger, err = pgledger.Open(ctx, f.Ledger)
	default:
		p.Sole = true
		p.Ledger, err = p.openSQLite(ctx)
	}
	if err == nil {
		p.Ledger = durable(p.Ledger)
	}
	return err
}

// openExecutor opens what reaches every kind of host, because runs of an
// earlier file may be on another kind. Only for EC2 instances it takes the file
// to say how.
func (p *Parts) openExecutor(ctx context.Context, f *job.File, aws *account, log *slog.Logger) (err error) {
	limits := guarded.Options{
		MinFreeBytes: f.Fleet.MinFree, MaxSkew: f.Fleet.MaxSkew,
		KeepDays: max(1, int(f.Retention/(24*time.Hour))),
	}
	all := byAddress{
		local: localexec.New(localexec.Options{Guarded: limits}),
		ssh:   sshexec.New(sshexec.Options{Guarded: limits}),
		agent: nobody{errors.New("the jobs file has no fleet.region, so it can't be reached by its SSM agent")},
	}
	if e := f.Fleet.EC2; e != nil {
		if p.instances, err = aws.openInstances(ctx, *e); err != nil {
			return errors.Join(err, all.Close())
		}
		of := cloud.New(p.instances.cfg, e)
		all.agent, p.Protector, p.ClaimWithin = of.Executor(log), of.Fleet(), e.ClaimWithin
	}
	p.Executor = all
	return nil
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
	inventory, err := p.inventoryOf(f)
	if err != nil {
		return err
	}
	p.inventory.Store(&inventory)
	return nil
}

func (p *Parts) inventoryOf(f *job.File) (fleet.Fleet, error) {
	switch e := f.Fleet.EC2; {
	case e != nil && (p.instances == nil || !p.instances.reached(e)):
		return nil, fmt.Errorf("%s: the way to the EC2 instances changed (region, document, claims, claim-within or report); that needs a restart", f.Path)
	case e != nil:
		return cloud.New(p.instances.cfg, e).Fleet(), nil
	case f.Fleet.Command != "":
		return commandfleet.New(f.Fleet.Command, f.Fleet.Every), nil
	}
	hosts := fleet.Clone(f.Fleet.Hosts)
	for i := range hosts {
		for _, path := range []*string{&hosts[i].RunDir, &hosts[i].IdentityFile, &hosts[i].KnownHosts} {
			var err error
			if *path, err = atHome(*path); err != nil {
				return nil, fmt.Errorf("host %s: %w", hosts[i].ID, err)
			}
		}
	}
	return listfleet.New(hosts)
}

// Hosts lists the current inventory; it makes Parts a fleet.Fleet.
func (p *Parts) Hosts(ctx context.Context) ([]fleet.Host, error) {
	return (*p.inventory.Load()).Hosts(ctx)
}

// Receivers opens the notice targets of the file.
func Receivers(ctx context.Context, f *job.File) (map[string]notifier.Notifier, error) {
	all, aws := make(map[string]notifier.Notifier, len(f.Targets)), &account{}
	for name, t := range f.Targets {
		to, err := receiver(ctx, t, aws)
		if err != nil {
			return nil, fmt.Errorf("notify target %s: %w", name, err)
		}
		all[name] = to
	}
	return all, nil
}

func receiver(ctx context.Context, t job.Target, aws *account) (notifier.Notifier, error) {
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
	case t.SNS != nil:
		return aws.openTopic(ctx, *t.SNS)
	}
	return nil, errors.New("names no webhook, mail, chat or topic")
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

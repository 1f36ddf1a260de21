package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/config"
	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/web"
)

func newServeCommand(g *globals) *cobra.Command {
	s := &server{globals: g}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the scheduler",
		Long: `Runs the scheduler: plans the jobs of the file, starts each due run on one
host, follows it to its end and tells people.

SIGHUP reloads the jobs file; a broken one is reported and the old one stays at
work. SIGTERM or Ctrl-C drains: nothing is started any more, commands under way
get --drain to end; those that take longer go on on their hosts and are picked
up at the next start. A second signal leaves at once, which is safe too.

Exit codes: 0 after a drain, 1 if the scheduler could not start or failed, 2 for
a usage error.`,
		Args: words(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			return s.serve(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().DurationVar(&s.drain, "drain", 10*time.Second, "how long to wait for commands under way when told to stop")
	c.Flags().StringVar(&s.logFormat, "log", "text", "form of the log: text, with a line for people per run, or json")
	return c
}

// server is one solocron serve.
type server struct {
	*globals
	drain     time.Duration
	logFormat string

	log   *slog.Logger
	lines *journal
	parts *config.Parts
	d     *dispatch.Dispatcher
	api   *web.Server
}

func (s *server) serve(ctx context.Context, stdout, stderr io.Writer) error {
	if s.logFormat != "text" && s.logFormat != "json" {
		return usageError{fmt.Errorf("--log %s: want text or json", s.logFormat)}
	}
	started := time.Now()
	s.log = slog.New(slog.NewTextHandler(stderr, nil))
	if s.logFormat == "json" {
		s.log = slog.New(slog.NewJSONHandler(stderr, nil))
	}
	frugal := debug.SetGCPercent(50) // reading a file takes several times what is kept of it
	file, err := job.Load(s.file)
	if err != nil {
		return err
	}
	socket, err := s.socketOf(file)
	if err != nil {
		return err
	}
	receivers, err := config.Receivers(ctx, file)
	if err != nil {
		return err
	}
	memory, seen, err := remembered(file)
	if err != nil {
		return err
	}
	if s.parts, err = config.Open(ctx, file, s.log); err != nil {
		return err
	}
	defer s.close()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.lines = newJournal(stdout, s.log, s.logFormat == "json", s.color(stdout))
	s.d = dispatch.New(dispatch.Options{
		Ledger: s.parts.Ledger, Fleet: s.parts.Fleet, Executor: s.parts.Executor,
		Protector: s.parts.Protector, ClaimWithin: s.parts.ClaimWithin,
		Secret: config.Secret, Log: s.log, Sole: s.parts.Sole, Drain: s.drain,
		Seen: seen, Remember: memory.Write,
		Observe: func(r run.Run) { s.lines.note(r); s.api.Observe(r) },
	})
	s.api = &web.Server{Dispatcher: s.d, Version: version(), Ledger: s.parts.Where, Started: started, Log: s.log}
	if err := s.d.Load(ctx, file, receivers); errors.Is(err, ledger.ErrWentBack) {
		return &hintError{fmt.Errorf("ledger %s: %w", s.parts.Where, err), hintWentBack}
	} else if err != nil {
		return err
	}
	giveBack()
	debug.SetGCPercent(frugal)
	listener, err := listen(socket)
	if err != nil {
		return err
	}
	s.log.Info("serving", "file", file.Path, "jobs", len(file.Jobs), "ledger", s.parts.Where, "socket", socket)
	return s.work(ctx, stop, listener)
}

// work owns every goroutine of the daemon: it returns when all of them have.
func (s *server) work(ctx context.Context, stop context.CancelFunc, listener net.Listener) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	var all sync.WaitGroup
	defer all.Wait()
	// What serves a drain ends after it.
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	all.Go(func() { s.lines.print(serving) })
	all.Go(func() { s.answer(serving, listener) })
	all.Go(func() { s.obey(serving, stop, signals) })
	all.Go(func() { _ = s.parts.Fleet.Run(serving) })
	s.look(ctx)
	return s.d.Run(ctx)
}

// firstLook is how long the scheduler waits for its hosts' first probes. Hosts
// that take longer join when they answer.
const firstLook = 3 * time.Second

func (s *server) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, firstLook)
	defer cancel()
	if err := s.parts.Fleet.Probe(ctx); err != nil {
		s.log.Warn("not every host was looked at yet", "error", err)
	}
}

// signalTwice is how soon a second signal is still the first one: make and
// timeout send it to the process and to its whole group.
const signalTwice = 500 * time.Millisecond

// obey acts on signals until ctx is done.
func (s *server) obey(ctx context.Context, stop context.CancelFunc, signals <-chan os.Signal) {
	var stopping time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-signals:
			switch {
			case sig == syscall.SIGHUP:
				s.reload(ctx)
			case !stopping.IsZero() && time.Since(stopping) < signalTwice:
				// One signal, sent to the process and to its group.
			case !stopping.IsZero():
				s.log.Warn("leaving at once; commands under way are picked up at the next start")
				os.Exit(1)
			default:
				stopping = time.Now()
				s.log.Info("draining; once more to leave at once", "signal", sig.String(), "drain", s.drain)
				stop()
			}
		}
	}
}

// reload puts the edited file to work, or keeps the old one.
func (s *server) reload(ctx context.Context) {
	err := func() error {
		file, err := job.Load(s.file)
		if err != nil {
			return err
		}
		old := s.d.File()
		if file.Ledger != old.Ledger {
			return fmt.Errorf("%s: the ledger changed; that needs a restart", file.Path)
		}
		receivers, err := config.Receivers(ctx, file)
		if err != nil {
			return err
		}
		if err := s.parts.SetFleet(file); err != nil {
			return err
		}
		if err := s.d.Load(ctx, file, receivers); err != nil {
			return errors.Join(err, s.parts.SetFleet(old)) // the whole file or nothing of it
		}
		giveBack()
		s.look(ctx)
		return nil
	}()
	if err != nil {
		s.log.Error("reload: the old file stays at work", "error", err)
		return
	}
	s.log.Info("reloaded", "file", s.file, "jobs", len(s.d.File().Jobs))
}

// answer serves the API until ctx is done and those who were being answered
// have their answers, or a second later.
func (s *server) answer(ctx context.Context, listener net.Listener) {
	h := &http.Server{
		Handler:           s.api.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       2 * time.Minute, // longer than any answer takes: it ends those, too
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	left := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(left)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if h.Shutdown(grace) != nil {
			_ = h.Close() // somebody still listens to a run; they see the end
		}
	})
	if err := h.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("the API ended", "error", err)
	}
	if !stop() {
		<-left // Serve returns when the shutdown begins, not when it is over
	}
}

func (s *server) close() {
	if err := s.parts.Close(); err != nil {
		s.log.Error("close", "error", err)
	}
}

// listen opens the socket for its owner alone. A socket that a dead process
// left behind is replaced, that of a living one is not.
func listen(path string) (net.Listener, error) {
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("socket %s: another scheduler is listening there; stop it or choose another with --socket", path)
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("socket left by a dead scheduler: %w", err)
		}
	}
	mask := syscall.Umask(0o177) // the socket must never be open to others, not for a moment
	defer syscall.Umask(mask)
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w; choose another with --socket", path, err)
	}
	return l, nil
}

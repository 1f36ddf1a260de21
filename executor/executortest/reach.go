package executortest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/guard"
)

func contexts(b *bench) {
	cause := errors.New("enough")
	over, cancel := context.WithCancelCause(b.t.Context())
	cancel(cause)
	o := b.order(1, untilLeave)
	if err := b.x.Start(over, b.Host, o, b.grant); !errors.Is(err, cause) || b.granted > 0 {
		b.t.Errorf("start: %v", err)
	} else {
		b.proven(err)
	}
	ctx, cancel := context.WithCancelCause(b.t.Context())
	err := b.x.Start(ctx, b.Host, b.order(2, untilLeave), func(context.Context) error { cancel(cause); return nil })
	if err != nil {
		b.t.Errorf("a context that ends after the grant: %v", err)
	}
	if _, err := b.x.Wait(over, b.Host, b.order(2, "").Attempt); !errors.Is(err, cause) {
		b.t.Errorf("wait: %v", err)
	}
	if _, err := b.x.Status(over, b.Host, o.Attempt); err == nil {
		b.t.Error("status ended well")
	}
	if err := b.x.Stop(over, b.Host, o.Attempt, false); err == nil {
		b.t.Error("stop ended well")
	}
	if got := b.x.Probe(over, b.Host); got.Refused == "" {
		b.t.Error("probe found the host healthy")
	}
	b.leave()
	b.wait(b.order(2, ""))
}

func absent(b *bench) {
	b.x.Probe(b.ctx(), b.Host)
	o := b.order(1, "true")
	if got := b.status(o); got.Phase != guard.PhaseAbsent {
		b.t.Errorf("%+v", got)
	}
	if res := b.wait(o); res.End != guard.Absent && !(b.OneWay && res.End == guard.Refused) {
		b.t.Errorf("%+v", res)
	}
	if page, err := b.x.Output(b.ctx(), b.Host, o.Attempt, 0, 10); err != nil || len(page) > 0 {
		b.t.Errorf("%q, %v", page, err)
	}
}

func probe(b *bench) {
	got := b.x.Probe(b.ctx(), b.Host)
	if got.Refused != "" || got.FreeBytes == 0 && !b.OneWay || got.CheckedAt.IsZero() || got.Skew.Abs() > 2*time.Second {
		b.t.Errorf("%+v", got)
	}
	if b.OneWay {
		return
	}
	h := b.Host
	h.RunDir = filepath.Join(b.t.TempDir(), "file")
	if err := os.WriteFile(h.RunDir, nil, 0o600); err != nil {
		b.t.Fatal(err)
	}
	if got := b.x.Probe(b.ctx(), h); !strings.Contains(got.Refused, h.RunDir) {
		b.t.Errorf("%+v", got)
	}
}

func cut(b *bench) {
	if b.Cut == nil {
		return
	}
	o := b.order(1, untilLeave)
	b.start(o)
	b.up(o)
	b.Cut()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Second)
	defer cancel()
	if res, err := b.x.Wait(ctx, b.Host, o.Attempt); !errors.Is(err, context.DeadlineExceeded) {
		b.t.Errorf("while it is out of reach: %+v, %v", res, err)
	}
	b.leave()
	b.Restore()
	if res := b.wait(o); res.End != guard.Exited || res.Code != 4 || string(res.Output.Head) != "up\nbye\n" {
		b.t.Errorf("%+v", res)
	}
	if b.saw() != "1" {
		b.t.Errorf("attempts %q ran", b.saw())
	}
}

func unreachable(b *bench) {
	if b.Cut == nil || b.OneWay {
		return
	}
	o := b.order(1, "true")
	b.Cut()
	err := b.x.Start(b.ctx(), b.Host, o, b.grant)
	if b.proven(err); !errors.Is(err, executor.ErrUnreachable) || b.granted > 0 {
		b.t.Errorf("%v, granted %d times", err, b.granted)
	}
	if got := b.x.Probe(b.ctx(), b.Host); got.Refused == "" {
		b.t.Errorf("%+v", got)
	}
	if _, err := b.x.Status(b.ctx(), b.Host, o.Attempt); err == nil {
		b.t.Error("status of a host out of reach")
	}
	b.Restore()
	b.start(o)
	if res := b.wait(o); res.End != guard.Exited {
		b.t.Errorf("%+v", res)
	}

	// The connection breaks while the grant is being committed: go can't have
	// been heard, and the host says so.
	o = b.order(2, "true")
	err = b.x.Start(b.ctx(), b.Host, o, func(context.Context) error { b.Cut(); return nil })
	b.Restore()
	if executor.Proven(err) == nil {
		if res := b.wait(o); res.End != guard.Refused {
			b.t.Errorf("start said %v, then the host %+v", err, res)
		}
	}
	if b.saw() != "1" {
		b.t.Errorf("attempts %q ran", b.saw())
	}
}

// An order on its way to a host that is out of reach is taken back, and then
// starts nothing, whenever it arrives.
func takenBack(b *bench) {
	if b.Cut == nil || !b.OneWay {
		return
	}
	o := b.order(1, "true")
	b.Cut()
	b.start(o)
	if res := b.wait(o); res.End != guard.Refused || res.Busy {
		b.t.Errorf("%+v", res)
	}
	b.Restore()
	o = b.order(2, "true")
	b.start(o)
	if res := b.wait(o); res.End != guard.Exited {
		b.t.Errorf("%+v", res)
	}
	if b.saw() != "2" {
		b.t.Errorf("attempts %q ran", b.saw())
	}
}

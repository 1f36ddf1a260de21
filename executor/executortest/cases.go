package executortest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/guard"
)

func exits(b *bench) {
	for n, code := range []int{0, 3, 255} {
		o := b.order(n+1, fmt.Sprintf("echo out; echo err >&2; exit %d", code))
		b.start(o)
		res := b.wait(o)
		if res.End != guard.Exited || res.Code != code || string(res.Output.Head) != "out\nerr\n" || res.Output.Bytes != 8 || res.Output.Cut {
			b.t.Errorf("code %d: %+v", code, res)
		}
		if res.StartedAt.IsZero() || res.EndedAt.Before(res.StartedAt) || time.Since(res.EndedAt).Abs() > time.Minute {
			b.t.Errorf("from %s to %s", res.StartedAt, res.EndedAt)
		}
	}
	if b.saw() != "1 2 3" || b.granted != 3 {
		b.t.Errorf("attempts %q ran, %d were granted", b.saw(), b.granted)
	}
}

func grantFails(b *bench) {
	o := b.order(1, "true")
	err := b.x.Start(b.ctx(), b.Host, o, func(context.Context) error { return errGrant })
	if b.proven(err); !errors.Is(err, errGrant) {
		b.t.Errorf("the grant's error is not in %v", err)
	}
	if b.OneWay { // nothing was sent
		if got := b.status(o); got.Phase != guard.PhaseAbsent {
			b.t.Errorf("%+v", got)
		}
		return
	}
	b.eventually("the guard gives up", func() bool { return b.status(o).Phase == guard.PhaseEnded })
	if got := b.status(o).Result; got.End != guard.Refused {
		b.t.Errorf("%+v", got)
	}
	b.proven(err)
}

func twice(b *bench) {
	again := func(o guard.Order, when string) {
		b.t.Helper()
		err := b.x.Start(b.ctx(), b.Host, o, b.grant)
		if b.OneWay && err == nil {
			b.granted--
		} else if !errors.Is(err, executor.ErrDelivered) || executor.Proven(err) != nil {
			b.t.Errorf("second delivery %s: %v", when, err)
		}
	}
	o := b.order(1, untilLeave)
	b.start(o)
	b.up(o)
	again(o, "while it runs")
	b.leave()
	first := b.wait(o)
	again(o, "afterwards")
	if res := b.wait(o); res.End != first.End || res.Code != first.Code || !res.EndedAt.Equal(first.EndedAt) {
		b.t.Errorf("%+v, then %+v", first, res)
	}
	if b.saw() != "1" || b.granted != 1 {
		b.t.Errorf("attempts %q ran, %d were granted", b.saw(), b.granted)
	}
}

func refusals(b *bench) {
	n := 0
	for words, spoil := range map[string]func(*guard.Order){
		"/no/such/dir":  func(o *guard.Order) { o.Dir = "/no/such/dir" },
		"no-such-user":  func(o *guard.Order) { o.User = "no-such-user" },
		"/no/shell":     func(o *guard.Order) { o.Shell = "/no/shell" },
		"run id":        func(o *guard.Order) { o.Run = "../x" },
		"empty command": func(o *guard.Order) { o.Command = "" },
	} {
		n++
		o := b.order(n, "true")
		spoil(&o)
		if res := b.refused(o); !strings.Contains(res.Reason, words) || res.Busy {
			b.t.Errorf("want %q in %+v", words, res)
		}
	}
	if b.granted > 0 && !b.OneWay {
		b.t.Error("a start was granted that the guard had refused")
	}
	if b.saw() != "" {
		b.t.Errorf("attempts %q ran", b.saw())
	}
}

func busy(b *bench) {
	first, second := b.order(1, untilLeave), b.order(2, "true")
	first.Exclusive, second.Exclusive = true, true
	b.start(first)
	b.up(first)
	var proof *executor.NotStarted
	res := guard.Result{}
	if err := b.x.Start(b.ctx(), b.Host, second, b.grant); errors.As(err, &proof) {
		res = guard.Result{End: guard.Refused, Busy: proof.Busy}
	} else if err != nil {
		b.t.Fatal(err)
	} else {
		res = b.wait(second)
	}
	if res.End != guard.Refused || !res.Busy {
		b.t.Errorf("while the first runs: %+v", res)
	}
	b.leave()
	b.wait(first)
	third := b.order(3, "true")
	third.Exclusive = true
	b.start(third)
	if res := b.wait(third); res.End != guard.Exited {
		b.t.Errorf("after the first: %+v", res)
	}
	if b.saw() != "1 3" {
		b.t.Errorf("attempts %q ran", b.saw())
	}
}

func huge(b *bench) {
	o := b.order(1, "echo first; yes 0123456789 | head -c 10000000; echo last")
	o.OutputBytes = 1 << 20
	b.start(o)
	got := b.wait(o).Output
	if !b.OneWay && (len(got.Head) != guard.HeadBytes || len(got.Tail) != guard.TailBytes) {
		b.t.Errorf("head %d, tail %d", len(got.Head), len(got.Tail))
	}
	if got.Bytes != 10000011 || !got.Cut ||
		!bytes.HasPrefix(got.Head, []byte("first\n0123")) || !bytes.HasSuffix(got.Tail, []byte("last\n")) {
		b.t.Errorf("%d bytes, cut %t, head %d, tail %d", got.Bytes, got.Cut, len(got.Head), len(got.Tail))
	}
}

func pages(b *bench) {
	o := b.order(1, "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; "+untilLeave)
	b.start(o)
	var want bytes.Buffer
	for i := range 3000 {
		fmt.Fprintln(&want, "line", i)
	}
	want.WriteString("up\n")
	var got []byte
	b.eventually("all of the output so far", func() bool {
		page, err := b.x.Output(b.ctx(), b.Host, o.Attempt, int64(len(got)), 7000)
		if err != nil || len(page) > 7000 {
			b.t.Fatalf("%d bytes, %v", len(page), err)
		}
		got = append(got, page...)
		return len(got) >= want.Len()
	})
	b.leave()
	b.wait(o)
	want.WriteString("bye\n")
	page, err := b.x.Output(b.ctx(), b.Host, o.Attempt, int64(len(got)), 7000)
	if got = append(got, page...); err != nil || !bytes.Equal(got, want.Bytes()) {
		b.t.Errorf("%d bytes, want %d; %v", len(got), want.Len(), err)
	}
	for _, beyond := range []int64{int64(want.Len()), 1 << 40, -1} {
		if page, err := b.x.Output(b.ctx(), b.Host, o.Attempt, beyond, 100); err != nil || len(page) > 0 {
			b.t.Errorf("from %d: %q, %v", beyond, page, err)
		}
	}
}

func timeout(b *bench) {
	o := b.order(1, "trap '' TERM; echo up; while :; do sleep 300; done")
	o.Timeout, o.Grace = 300*time.Millisecond, 200*time.Millisecond
	b.start(o)
	if res := b.wait(o); res.End != guard.TimedOut || res.Code != 137 || string(res.Output.Head) != "up\n" {
		b.t.Errorf("%+v", res)
	}
}

func stops(b *bench) {
	probed := b.x.Probe(b.ctx(), b.Host)
	stop := func(o guard.Order, kill bool) {
		b.t.Helper()
		if err := b.x.Stop(b.ctx(), b.Host, o.Attempt, kill); err != nil {
			b.t.Errorf("stop: %v (host: %+v)", err, probed)
		}
	}
	o, ran := b.order(1, "true"), "1 3 4"
	if b.OneWay { // a stop before the start takes the attempt back
		stop(o, false)
		b.refused(o)
		o, ran = b.order(5, "true"), "5 3 4"
	} else {
		stop(o, false)
	}
	b.start(o)
	b.wait(o)
	stop(o, true)
	if got := b.status(o).Result.End; got != guard.Exited {
		b.t.Errorf("a stop changed a result to %s", got)
	}

	o = b.order(2, "exec sleep 300")
	err := b.x.Start(b.ctx(), b.Host, o, func(context.Context) error { stop(o, false); return nil })
	if err != nil {
		b.t.Logf("stopped while ready: %v", err)
	}
	if res := b.wait(o); res.End != guard.Refused {
		b.t.Errorf("stopped while ready: %+v", res)
	}

	for n, kill := range []bool{false, true} {
		o = b.order(3+n, untilLeave)
		b.start(o)
		b.up(o)
		stop(o, kill)
		stop(o, kill)
		if res := b.wait(o); res.End != guard.Cancelled || kill && res.Code != 137 {
			b.t.Errorf("kill %t: %+v", kill, res)
		}
	}
	if b.saw() != ran {
		b.t.Errorf("attempts %q ran", b.saw())
	}
}

func reattach(b *bench) {
	o := b.order(1, untilLeave)
	b.start(o)
	b.up(o)
	if err := b.x.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.x = b.open()
	if got := b.status(o); got.Phase != guard.PhaseRunning {
		b.t.Errorf("%+v", got)
	}
	b.leave()
	if res := b.wait(o); res.End != guard.Exited || res.Code != 4 || string(res.Output.Head) != "up\nbye\n" {
		b.t.Errorf("%+v", res)
	}
	b.x = b.open()
	if res := b.wait(o); res.End != guard.Exited || res.Code != 4 {
		b.t.Errorf("later: %+v", res)
	}
}

func again(b *bench) {
	o := b.order(1, "echo out; exit 3")
	b.start(o)
	for range 3 {
		if res := b.wait(o); res.End != guard.Exited || res.Code != 3 || string(res.Output.Head) != "out\n" {
			b.t.Errorf("%+v", res)
		}
	}
}

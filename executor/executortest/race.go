package executortest

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/guard"
)

// Two schedulers bring the same attempt to one host at once, and then each one
// of its own whose job runs alone: each attempt is started once at most, and
// never two at a time.
func race(b *bench) {
	both := []executor.Executor{b.x, b.open()}
	bring := func(orders ...guard.Order) (ends []guard.End) {
		var all sync.WaitGroup
		ends = make([]guard.End, len(orders))
		for i, o := range orders {
			all.Go(func() {
				x := both[i%len(both)]
				if executor.Proven(x.Start(b.ctx(), b.Host, o, func(context.Context) error { return nil })) != nil {
					ends[i] = guard.Refused
				} else if res, err := x.Wait(b.ctx(), b.Host, o.Attempt); err != nil {
					b.t.Errorf("attempt %d: %v", o.N, err)
				} else {
					ends[i] = res.End
				}
			})
		}
		all.Wait()
		return ends
	}
	same := b.order(1, "true")
	if ends := bring(same, same); b.saw() != "1" {
		b.t.Errorf("attempts %q ran: %s", b.saw(), ends)
	}
	alone := make([]guard.Order, 4)
	for i := range alone {
		// Who finds another at it says so to the witness.
		alone[i] = b.order(2+i, "mkdir $LEAVE.alone || echo both >>"+b.witness+"\nsleep 0.3; rmdir $LEAVE.alone")
		alone[i].Exclusive = true
	}
	ends := bring(alone...)
	ran := strings.Fields(b.saw())[1:]
	slices.Sort(ran)
	want := len(slices.DeleteFunc(ends, func(e guard.End) bool { return e != guard.Exited }))
	if len(ran) != want || want == 0 || len(slices.Compact(ran)) != want || slices.Contains(ran, "both") {
		b.t.Errorf("attempts %q ran, %d ended well", b.saw(), want)
	}
}

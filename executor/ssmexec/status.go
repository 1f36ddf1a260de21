package ssmexec

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// Status puts together what the claim, SSM, EC2 and at last the host itself say
// of the attempt. See [executor.Executor]. It is told in this order:
//
//   - The scheduler took the attempt back: it never started.
//   - The guard's trailer arrived: that is the result, but for a refusal of an
//     attempt that nobody has claimed. It may have left no run directory, and
//     another delivery not know of it: then it is absent and hopeless as below.
//   - SSM is done with the command and has no trailer. If nobody has claimed the
//     attempt it is absent and hopeless: taking it back makes the proof. Else the
//     host is asked; if its agent is not online the run is over without anybody
//     knowing how.
//   - SSM is not done. If nobody has claimed the attempt it is absent; else it
//     runs, unless its instance is gone.
//
// Without a claim SSM's own proofs count, see [invocation.neverRan].
func (e *Executor) Status(ctx context.Context, h fleet.Host, a guard.Attempt) (guard.Status, error) {
	status, err := e.status(ctx, h, a)
	if err != nil {
		return guard.Status{}, fmt.Errorf("status of %s on %s: %w", a.Dir(), h.ID, err)
	}
	if status.Phase == guard.PhaseEnded {
		e.forget(h, a)
	}
	return status, nil
}

func (e *Executor) status(ctx context.Context, h fleet.Host, a guard.Attempt) (guard.Status, error) {
	said, err := e.said(ctx, a)
	if err != nil {
		return guard.Status{}, err
	}
	if said.takenBack() {
		return ended(guard.Refused, takenBackProof(said.why)), nil
	}
	i, err := e.latest(ctx, h, a, said.command)
	if err != nil {
		return guard.Status{}, err
	}
	open := !a.Unclaimed && !said.claimed() // for the guard or the scheduler to decide
	switch res, ok := i.result(); {
	case ok && open && early(res):
		return guard.Status{Phase: guard.PhaseAbsent, Hopeless: "the guard refused: " + res.Reason}, nil
	case ok && !(said.claimed() && early(res)):
		return guard.Status{Phase: guard.PhaseEnded, Result: res}, nil
	case i.neverRan() && a.Unclaimed:
		return ended(guard.Refused, "SSM: the command is "+i.details), nil
	case i.over() && !open:
		return e.afterwards(ctx, h, a, i)
	case i.over() && !i.duplicate():
		return guard.Status{Phase: guard.PhaseAbsent, Hopeless: "SSM: the command is " + i.details}, nil
	}
	return e.meanwhile(ctx, h, a, i, said.claimed()), nil
}

// early reports a refusal that a guard may have come to without looking at what
// another delivery of the order did, which is then no proof if there was a
// claim: with its disk missing, it finds no run directory. The job's lock is
// looked at by the guard that starts the command alone.
func early(res guard.Result) bool { return res.End == guard.Refused && !res.Busy }

// said is what the attempt's register says; nothing if it has none.
func (e *Executor) said(ctx context.Context, a guard.Attempt) (word, error) {
	switch {
	case e.claims.there():
		return e.claims.read(ctx, a)
	case a.Unclaimed:
		return word{}, nil
	}
	return word{}, errNoTable
}

func ended(end guard.End, reason string) guard.Status {
	return guard.Status{Phase: guard.PhaseEnded, Result: guard.Result{End: end, Reason: reason}}
}

// meanwhile judges an attempt whose command is not over for SSM, or that has
// none. InProgress says nothing of the host: a dead one leaves it so.
func (e *Executor) meanwhile(ctx context.Context, h fleet.Host, a guard.Attempt, i invocation, claimed bool) guard.Status {
	state := e.instance(ctx, h)
	switch {
	case down(state) && (claimed || a.Unclaimed):
		return ended(guard.Gone, fmt.Sprintf("the instance is %s: the run is over, whether and how it ended is not known", state))
	case claimed, a.Unclaimed && !i.waiting():
		return guard.Status{Phase: guard.PhaseRunning}
	case !a.Unclaimed && (down(state) || state == types.InstanceStateNameStopping):
		return guard.Status{Phase: guard.PhaseAbsent, Hopeless: fmt.Sprintf("the instance is %s", state)}
	}
	return guard.Status{Phase: guard.PhaseAbsent}
}

// down reports whether nothing runs on the instance any more, or not for long.
func down(state types.InstanceStateName) bool {
	switch state {
	case types.InstanceStateNameShuttingDown, types.InstanceStateNameTerminated, types.InstanceStateNameStopped:
		return true
	}
	return false
}

// afterwards judges an attempt that may have started, whose command is over for
// SSM and left no trailer. Only its host knows. One that is online and doesn't
// answer is asked again by the next Status.
func (e *Executor) afterwards(ctx context.Context, h fleet.Host, a guard.Attempt, i invocation) (guard.Status, error) {
	ending := "SSM: the command is " + i.details + " and left no result"
	if state := e.instance(ctx, h); down(state) {
		return ended(guard.Gone, fmt.Sprintf("%s; the instance is %s", ending, state)), nil
	}
	online, err := e.online(ctx, h)
	if err != nil {
		return guard.Status{}, err
	}
	if !online {
		return ended(guard.Gone, ending+"; its host's agent is not online"), nil
	}
	status, err := e.asked(ctx, h, a)
	if err == nil && status.Phase == guard.PhaseAbsent {
		return ended(guard.Gone, ending+"; its host has no run directory of it"), nil
	}
	return status, err
}

package sqlrow

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// Slot is a job's slot as stored: the run that holds it, empty for none, and
// the last fencing number given.
type Slot struct {
	Holder string
	Fence  int64
}

// Decision is what becomes of a change. Writes is empty unless the change was
// accepted; performing all of them in order, in the transaction that the old
// state was read in, stores it.
type Decision struct {
	Outcome ledger.Outcome
	Run     Run // the new columns, if accepted
	Slot    Slot
	Writes  []Stmt
}

// Decide says what becomes of a change, given the stored run (nil if there is
// none; ID, Version and Body suffice) and the slot of its job. The caller
// keeps both from other writers until it has performed the writes.
func Decide(c ledger.Change, old *Run, slot Slot) Decision {
	r, next, err := Accept(c, old, slot)
	var busy *ledger.BusyError
	switch {
	case errors.As(err, &busy):
		return refuse(err, nil)
	case err != nil:
		return refuse(err, old)
	}
	row, err := newRun(r)
	if err != nil {
		return refuse(err, nil)
	}
	d := Decision{Outcome: ledger.Outcome{Run: r}, Run: row, Slot: next}
	d.Writes = append(d.Writes, row.put(old != nil))
	if next != slot {
		d.Writes = append(d.Writes, Stmt{putSlot, []any{r.Job, next.Holder, next.Fence}})
	}
	if c.Detail != nil {
		args, err := detailArgs(r.ID, *c.Detail)
		if err != nil {
			return refuse(err, nil)
		}
		d.Writes = append(d.Writes, Stmt{putDetail, args})
	}
	for _, n := range c.Notices {
		d.Writes = append(d.Writes, Stmt{putNotice, noticeArgs(n)})
	}
	return d
}

// Accept is the rule of [Decide] without the rows: the run and the slot as an
// accepted change leaves them, or why it is refused. Of old, ID and Version
// suffice.
func Accept(c ledger.Change, old *Run, slot Slot) (run.Run, Slot, error) {
	if err := current(c, old); err != nil {
		return run.Run{}, slot, err
	}
	if c.Slot.Op == ledger.SlotTake && slot.Holder != "" && slot.Holder != c.Run.ID && slot.Holder != c.Slot.From {
		return run.Run{}, slot, &ledger.BusyError{Job: c.Run.Job, Holder: slot.Holder}
	}
	r := stored(c.Run)
	r.Version++
	next := slot.after(c.Slot.Op, r.ID)
	if a := r.Attempt(); a != nil && next.Fence != slot.Fence {
		a.Fence = next.Fence
	}
	return r, next, nil
}

// Moved is the error of a PutJobs that found these jobs changed; nil for none.
func Moved(jobs []string) error {
	if len(jobs) == 0 {
		return nil
	}
	slices.Sort(jobs)
	return fmt.Errorf("put jobs %s: %w", strings.Join(jobs, ", "), ledger.ErrMoved)
}

// refuse makes a refusal that shows the run that stood in the way, if any.
func refuse(err error, old *Run) Decision {
	out := ledger.Outcome{Err: err}
	if old != nil {
		r, corrupt := decodeRun(old.ID, old.Body)
		if corrupt != nil {
			return Decision{Outcome: ledger.Outcome{Err: corrupt}}
		}
		out.Run = r
	}
	return Decision{Outcome: out}
}

// current reports whether the change was made from the run as it stands.
func current(c ledger.Change, old *Run) error {
	switch {
	case old == nil && c.Run.Version == 0:
		return nil
	case old == nil:
		return fmt.Errorf("change run %s: %w", c.Run.ID, ledger.ErrNotFound)
	case c.Run.Version == 0:
		return fmt.Errorf("create run %s: %w", c.Run.ID, ledger.ErrExists)
	case c.Run.Version != old.Version:
		return fmt.Errorf("change run %s at version %d, stored is %d: %w", c.Run.ID, c.Run.Version, old.Version, ledger.ErrStale)
	}
	return nil
}

// after is the slot after the run's operation.
func (s Slot) after(op ledger.SlotOp, id string) Slot {
	switch op {
	case ledger.SlotTake:
		return Slot{Holder: id, Fence: s.Fence + 1}
	case ledger.SlotShare:
		return Slot{Holder: s.Holder, Fence: s.Fence + 1}
	case ledger.SlotRelease:
		if s.Holder == id {
			return Slot{Fence: s.Fence}
		}
	}
	return s
}

package ledger

import (
	"errors"
	"fmt"
	"time"
)

// ErrWentBack means that the ledger has forgotten what it had acknowledged, as
// after a backup was put back. Nothing may be started by it before a person says so.
var ErrWentBack = errors.New("the ledger went back in time")

// Mark tells a ledger from others, and how far it has come.
type Mark struct {
	Ledger string    `json:"ledger"` // random, given when the ledger was made
	Beats  int64     `json:"beats"`  // how many beats it has had
	At     time.Time `json:"at"`     // of the last one
	Halted string    `json:"-"`      // why nobody may schedule by it; see Ledger.Halt
}

// Follows returns nil if a ledger of this mark may be scheduled by for all that
// is known: it was not halted, and is the one that was seen, at least as far on.
// Else the error wraps [ErrWentBack]. A zero seen stands for none.
func (m Mark) Follows(seen Mark) error {
	switch {
	case m.Halted != "":
		return fmt.Errorf("%w: it was halted: %s", ErrWentBack, m.Halted)
	case seen.Ledger == "":
		return nil
	case m.Ledger != seen.Ledger:
		return fmt.Errorf("%w: it is %s, and what was seen here before is %s", ErrWentBack, m, seen)
	case m.Beats < seen.Beats:
		return fmt.Errorf("%w: it is at %s, and was seen at %s before", ErrWentBack, m, seen)
	}
	return nil
}

// String is the mark for people.
func (m Mark) String() string {
	if m.Ledger == "" {
		return "an empty ledger"
	}
	return fmt.Sprintf("beat %d of %s (ledger %s)", m.Beats, m.At.UTC().Format(time.RFC3339), m.Ledger)
}

package guard

import (
	"errors"
	"fmt"
	"io"
)

// Outcome puts a result together from the messages of a conversation: the end,
// the size of the output and, if it was asked for, the output itself. They may
// arrive in any order.
type Outcome struct {
	result Result
	size   int64
	ended  bool
	sized  bool
	lost   bool
	framed bool
}

// Take takes one message in.
func (o *Outcome) Take(m Message) {
	switch m.Word {
	case "end":
		if o.ended {
			return // the first word is the supervisor's own
		}
		kept := o.result.Output
		o.result, o.ended = m.Result, true
		o.result.Output = kept
	case "output":
		o.size, o.sized, o.lost = m.Output.Bytes, true, m.Lost
	case "data", "tail":
		o.result.Output, o.framed = m.Output, true
	}
}

// Ended reports whether the end is known.
func (o *Outcome) Ended() bool { return o.ended }

// Complete reports whether nothing more is to be expected.
func (o *Outcome) Complete(l Link) bool {
	return o.ended && (o.result.End == Refused || o.sized && (o.framed || !l.Inline))
}

// Kept reports whether any output may have been kept.
func (o *Outcome) Kept() bool { return o.result.End != Refused && (!o.sized || o.size > 0 || o.lost) }

// Result is what the messages say. It means something only after Ended.
func (o *Outcome) Result() Result {
	res := o.result
	kept := int64(len(res.Output.Head) + len(res.Output.Tail))
	res.Output.Bytes = max(o.size, kept, res.Output.Bytes)
	res.Output.Cut = res.Output.Bytes > kept
	if !res.Output.Cut && len(res.Output.Head) == 0 {
		res.Output.Head, res.Output.Tail = res.Output.Tail, nil
	}
	if res.End == Refused {
		return res
	}
	if o.lost {
		res.Note = join(res.Note, "log lost: the host's disk is full")
	}
	if !o.sized && res.End != Gone {
		res.Note = join(res.Note, "output detached: a process of the run still holds it")
	}
	return res
}

func join(note, more string) string {
	if note == "" {
		return more
	}
	return note + "; " + more
}

// ReadStatus reads the answer to [VerbStatus].
func ReadStatus(r io.Reader) (Status, error) {
	var (
		talk    = NewReader(r)
		status  Status
		outcome Outcome
	)
	for {
		m, err := talk.Next()
		switch {
		case errors.Is(err, io.EOF) && status.Phase == PhaseEnded && !(outcome.ended && outcome.framed):
			return Status{}, io.ErrUnexpectedEOF
		case errors.Is(err, io.EOF) && status.Phase != "":
			if status.Phase == PhaseEnded {
				status.Result = outcome.Result()
			}
			return status, nil
		case err != nil:
			return Status{}, noEOF(err)
		}
		switch m.Word {
		case "error":
			return Status{}, fmt.Errorf("guard: %s", m.Text)
		case "phase":
			if status.Phase, err = phase(m.Text); err != nil {
				return Status{}, err
			}
		default:
			outcome.Take(m)
		}
	}
}

func phase(word string) (Phase, error) {
	switch p := Phase(word); p {
	case PhaseAbsent, PhaseReady, PhaseRunning, PhaseEnded:
		return p, nil
	}
	return "", fmt.Errorf("guard: unknown phase %q", word)
}

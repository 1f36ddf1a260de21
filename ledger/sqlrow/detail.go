package sqlrow

import (
	"encoding/json"
	"fmt"

	"github.com/solocron/solocron/ledger"
)

// detailArgs are the arguments of putDetail for a detail of the run. A part
// that is nil leaves the stored part alone.
func detailArgs(id string, d ledger.Detail) ([]any, error) {
	var pick, output *string
	if d.Pick != nil {
		body, err := json.Marshal(d.Pick)
		if err != nil {
			return nil, fmt.Errorf("encode pick of run %s, attempt %d: %w", id, d.Attempt, err)
		}
		pick = new(string(body))
	}
	if d.Output != nil {
		body, err := json.Marshal(d.Output)
		if err != nil {
			return nil, fmt.Errorf("encode output of run %s, attempt %d: %w", id, d.Attempt, err)
		}
		output = new(string(body))
	}
	return []any{id, d.Attempt, pick, output}, nil
}

// decodeDetail reads the parts that detailArgs wrote.
func decodeDetail(id string, attempt int, pick, output *string) (ledger.Detail, error) {
	d := ledger.Detail{Attempt: attempt}
	if pick != nil {
		if err := json.Unmarshal([]byte(*pick), &d.Pick); err != nil {
			return d, fmt.Errorf("decode pick of run %s, attempt %d: %w: %w", id, attempt, ledger.ErrCorrupt, err)
		}
	}
	if output != nil {
		if err := json.Unmarshal([]byte(*output), &d.Output); err != nil {
			return d, fmt.Errorf("decode output of run %s, attempt %d: %w: %w", id, attempt, ledger.ErrCorrupt, err)
		}
	}
	return d, nil
}

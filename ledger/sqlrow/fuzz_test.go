package sqlrow

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/solocron/solocron/ledger"
)

// What is stored is read as it was written, or said to be corrupt: a run that
// was read makes a row that reads the same.
func FuzzStored(f *testing.F) {
	f.Add(`{"id":"a@20261122T023000Z","job":"a","due":"2026-11-22T02:30:00Z","state":"running","attempts":[{"n":1,"host":"h","state":"running"}]}`, `{"host":"h"}`, `{"bytes":5,"head":"aGVsbG8="}`)
	f.Add(`{"state":"lost","attempts":null,"until":"2026-11-22T02:30:00+09:00","count":3}`, `null`, `{"head":"?"}`)
	f.Add(``, `[]`, `7`)
	f.Fuzz(func(t *testing.T, body, pick, output string) {
		if _, err := decodeDetail("id", 1, &pick, &output); err != nil && !errors.Is(err, ledger.ErrCorrupt) {
			t.Errorf("detail: %v", err)
		}
		r, err := decodeRun("id", body)
		if err != nil {
			if !errors.Is(err, ledger.ErrCorrupt) {
				t.Errorf("run: %v", err)
			}
			return
		}
		r = stored(r)
		row, err := newRun(r)
		if err != nil {
			return // a year that RFC 3339 can't say
		}
		again, err := decodeRun("id", row.Body)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, again, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}

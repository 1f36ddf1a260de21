package sqlrow

import (
	"cmp"
	"strings"
	"time"

	"github.com/solocron/solocron/ledger"
)

// noticeArgs are the arguments of putNotice.
func noticeArgs(n ledger.Notice) []any {
	return []any{n.ID, n.Run, Text(n.Target), Blob(n.Body), n.Created.UnixMilli(), n.Due.UnixMilli()}
}

// SettlementArgs are the arguments of [SettleNotice].
func SettlementArgs(id string, s ledger.Settlement) []any {
	settled := Millis(s.At)
	if !s.Retry.IsZero() {
		settled = nil
	}
	return []any{id, Text(s.Error), Millis(s.Retry), settled, settled != nil && s.Error != ""}
}

// PutJobArgs are the arguments of [PutJob].
func PutJobArgs(now time.Time, s ledger.JobSpec) []any {
	return []any{s.Name, s.Hash, s.When, now.UnixMilli(), s.From}
}

// PauseArgs are the arguments of [SetPause]. Nothing of a cleared pause is
// kept.
func PauseArgs(job string, p ledger.Pause) []any {
	if !p.On {
		p = ledger.Pause{}
	}
	return []any{job, p.On, Text(p.By), Millis(p.At), Text(p.Note)}
}

// OldestFirst orders notices as [TakeNotices] picks them.
func OldestFirst(a, b ledger.Notice) int {
	return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID))
}

// Text is a string that every database takes as text: valid UTF-8 without NUL.
func Text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Blob is bytes for a column that is never NULL.
func Blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

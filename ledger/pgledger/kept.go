package pgledger

import (
	"sync"
	"time"
)

// isKept divides by zero if one of the nonces is gone: so a transaction ends
// itself, without another round trip in which to ask. It takes them and their
// number.
const isKept = `SELECT 1 / (count(*) = $2)::int FROM solocron.writes WHERE nonce = ANY($1)`

// leaveNonce leaves the nonce of a write in its transaction.
const leaveNonce = `INSERT INTO solocron.writes (nonce) VALUES ($1)`

// keptFor is how long a nonce is asked for. A scheduler beats much more often;
// one that stood still for longer would miss a nonce that was pruned.
const keptFor = 30 * time.Minute

// acks are the writes that the server acknowledged last, as many as can be
// under way at once: whatever was committed last is among them, although the
// answers may have been heard in another order. A server that has that one has
// all before it.
type acks struct {
	most int
	mu   sync.Mutex
	last []ack
}

type ack struct {
	nonce string
	at    time.Time
}

func (a *acks) add(nonce string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = append(a.last[max(0, len(a.last)-a.most+1):], ack{nonce, time.Now()})
}

// nonces are those that the server must still have. What may have been pruned
// is asked for no more, by the clock that stands still with the machine and by
// the one that can be set.
func (a *acks) nonces() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []string
	for _, k := range a.last {
		if time.Since(k.at) < keptFor && time.Now().Round(0).Sub(k.at.Round(0)) < keptFor {
			all = append(all, k.nonce)
		}
	}
	return all
}

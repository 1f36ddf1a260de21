package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Listing is the view of a scheduler that is there for a moment only, on a
// fleet whose inventory says itself who is fit: it lists the fleet when it is
// asked, and believes a list for a few seconds.
type Listing struct {
	fleet Finder
	keep  time.Duration

	mu    sync.Mutex
	lists map[string]listed // by selector
	down  map[string]downed // by host
}

type listed struct {
	hosts []Host
	at    time.Time
}

type downed struct {
	reason string
	until  time.Time
}

// downFor is how long a host that failed to start a command is left alone.
const downFor = time.Minute

// NewListing returns a view of f that believes a list for the given time.
func NewListing(f Finder, keep time.Duration) *Listing {
	return &Listing{fleet: f, keep: keep, lists: map[string]listed{}, down: map[string]downed{}}
}

var _ View = (*Listing)(nil)

// Hosts lists the whole fleet.
func (l *Listing) Hosts(ctx context.Context) ([]Host, error) { return l.Find(ctx, nil) }

// Find lists those that carry the tags.
func (l *Listing) Find(ctx context.Context, want Selector) ([]Host, error) {
	key := want.key()
	l.mu.Lock()
	known, ok := l.lists[key]
	l.mu.Unlock()
	if ok && time.Since(known.at) < l.keep {
		return Clone(known.hosts), nil
	}
	hosts, err := l.fleet.Find(ctx, want)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.lists, func(_ string, old listed) bool { return time.Since(old.at) >= l.keep })
	l.lists[key] = listed{Clone(hosts), time.Now()}
	return hosts, nil
}

// key is the selector as text, the same for equal selectors.
func (s Selector) key() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%q=%q ", k, s[k])
	}
	return b.String()
}

// Health refuses only those that were said to be down.
func (l *Listing) Health(h Host) Health {
	l.mu.Lock()
	defer l.mu.Unlock()
	health := Health{CheckedAt: time.Now().UTC(), Refused: h.Refused}
	if d, ok := l.down[h.ID]; ok && time.Now().Before(d.until) && health.Refused == "" {
		health.Refused = d.reason
	}
	return health
}

// Down refuses a host for a minute.
func (l *Listing) Down(hostID, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.down, func(_ string, d downed) bool { return !time.Now().Before(d.until) })
	l.down[hostID] = downed{reason, time.Now().Add(downFor)}
}

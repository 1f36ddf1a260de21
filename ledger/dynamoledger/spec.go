package dynamoledger

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/solocron/solocron/ledger"
)

// maxSpecs bounds the bodies kept in memory.
const maxSpecs = 512

// specs are bodies by hash. What a hash stands for never changes, so a body
// that was seen is as good as one read anew.
type specs struct {
	mu     sync.Mutex
	bodies map[string][]byte
}

func (s *specs) keep(hash string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bodies) >= maxSpecs {
		for any := range s.bodies {
			delete(s.bodies, any)
			break
		}
	}
	s.bodies[hash] = body
}

func (s *specs) body(hash string) (body []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, ok = s.bodies[hash]
	return slices.Clone(body), ok
}

// Spec implements [ledger.Ledger]. It makes no call for the present spec of a
// job that was read before.
func (l *Ledger) Spec(ctx context.Context, hash string) ([]byte, error) {
	if body, ok := l.specs.body(hash); ok {
		return body, nil
	}
	i, err := l.get(ctx, "read spec "+hash, specKey(hash))
	if err != nil {
		return nil, err
	}
	body := blobOf(i, attrSpec)
	if body == nil {
		return nil, fmt.Errorf("spec %s: %w", hash, ledger.ErrNotFound)
	}
	l.specs.keep(hash, body)
	return slices.Clone(body), nil
}

package ec2fleet

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/fleet"
)

// BenchmarkPick measures what a pick among 2,000 instances takes of our own
// time, with every answer of AWS in memory: once from the decoded answers on,
// once with what the SDK does to sign the 62 requests and decode the answers.
func BenchmarkPick(b *testing.B) {
	f := New(options(config("http://in.memory", &memory{account: big()})))
	s, err := f.look(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			pick(b, s.hosts(time.Now(), pingWithin))
		}
	})
	b.Run("with the SDK", func(b *testing.B) {
		for b.Loop() {
			hosts, err := f.Hosts(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			pick(b, hosts)
		}
	})
}

func pick(b *testing.B, hosts []fleet.Host) {
	look := func(fleet.Host) fleet.Health { return fleet.Health{CheckedAt: launched} }
	p := fleet.Pick{
		Strategy: fleet.Random, Seed: "nightly@20261122T023000Z",
		Candidates: fleet.Assess(fleet.Selector{"cron": "true"}, nil, hosts, look, fleet.Facts{}),
	}
	if err := p.Choose(); err != nil || len(p.Candidates) != 2000 {
		b.Fatalf("%d candidates: %v", len(p.Candidates), err)
	}
}

// memory answers what was asked before as it did then.
type memory struct {
	account *account
	answers sync.Map // body of the request → body of the answer
}

func (m *memory) Do(q *http.Request) (*http.Response, error) {
	asked, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	said, ok := m.answers.Load(string(asked))
	if !ok {
		q.Body = io.NopCloser(bytes.NewReader(asked))
		w := httptest.NewRecorder()
		m.account.ServeHTTP(w, q)
		said = w.Body.Bytes()
		m.answers.Store(string(asked), said)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: q,
		Body: io.NopCloser(bytes.NewReader(said.([]byte))),
	}, nil
}

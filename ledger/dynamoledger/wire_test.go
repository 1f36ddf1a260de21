package dynamoledger

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// wire is a connection to DynamoDB that notes the calls and can be told to
// fail some.
type wire struct {
	next http.RoundTripper
	mu   sync.Mutex
	ops  []string
	// fault, if set, takes over calls for which it returns an answer or an error.
	fault func(op string, perform func() (*http.Response, error), r *http.Request) (*http.Response, error)
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	w.mu.Lock()
	w.ops = append(w.ops, op)
	fault := w.fault
	w.mu.Unlock()
	perform := func() (*http.Response, error) { return w.next.RoundTrip(r) }
	if fault != nil {
		if answer, err := fault(op, perform, r); answer != nil || err != nil {
			return answer, err
		}
	}
	return perform()
}

// calls returns the operations since the last call of calls.
func (w *wire) calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	ops := w.ops
	w.ops = nil
	return ops
}

func (w *wire) breakWith(fault func(op string, perform func() (*http.Response, error), r *http.Request) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = fault
}

// wired returns a ledger on the table by way of a wire.
func wired(t testing.TB, config aws.Config, table string, options ...func(*dynamodb.Options)) (*Ledger, *wire) {
	t.Helper()
	w := &wire{next: config.HTTPClient.(*http.Client).Transport}
	config.HTTPClient = &http.Client{Transport: w}
	l := New(dynamodb.NewFromConfig(config, options...), table, Options{})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l, w
}

// noRetries leaves repeating to the ledger.
func noRetries(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }

// loseReply performs the next call of one of the operations and loses the
// answer.
func (w *wire) loseReply(ops ...string) {
	var once sync.Once
	w.breakWith(func(op string, perform func() (*http.Response, error), _ *http.Request) (_ *http.Response, err error) {
		if slices.Contains(ops, op) {
			once.Do(func() {
				var answer *http.Response
				if answer, err = perform(); err == nil {
					err = io.ErrUnexpectedEOF
					_, _ = io.Copy(io.Discard, answer.Body)
					answer.Body.Close()
				}
			})
		}
		return nil, err
	})
}

// answerTimes answers the next n calls of the operation, -1 for all, with the
// error that the body is.
func (w *wire) answerTimes(n int, op, body string) {
	w.answer(op, body, func(i int) bool { return i < n || n < 0 })
}

// answerAfter lets n calls of the operation through and answers all others.
func (w *wire) answerAfter(n int, op, body string) {
	w.answer(op, body, func(i int) bool { return i >= n })
}

func (w *wire) answer(op, body string, which func(i int) bool) {
	var n atomic.Int64
	w.breakWith(func(called string, _ func() (*http.Response, error), r *http.Request) (*http.Response, error) {
		if called != op || !which(int(n.Add(1)-1)) {
			return nil, nil
		}
		return &http.Response{
			StatusCode: http.StatusBadRequest, Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
			Body:   io.NopCloser(strings.NewReader(body)),
		}, nil
	})
}

// leaveSome makes BatchGetItem and BatchWriteItem do one key of many at a time.
func (w *wire) leaveSome(table string) {
	type batch = map[string]any
	w.breakWith(func(op string, perform func() (*http.Response, error), r *http.Request) (*http.Response, error) {
		if !strings.HasPrefix(op, "Batch") {
			return nil, nil
		}
		asked := batch{}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			return nil, err
		}
		items := asked["RequestItems"].(batch)
		left := batch{}
		if ask, ok := items[table].(batch); ok {
			keys := ask["Keys"].([]any)
			if ask["Keys"] = keys[:1]; len(keys) > 1 {
				left[table] = batch{"Keys": keys[1:]}
			}
		} else if requests := items[table].([]any); len(requests) > 1 {
			items[table], left[table] = requests[:1], requests[1:]
		}
		body, err := json.Marshal(asked)
		if err != nil {
			return nil, err
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		answer, err := perform()
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		said := batch{}
		if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
			return nil, err
		}
		said[map[string]string{"BatchGetItem": "UnprocessedKeys", "BatchWriteItem": "UnprocessedItems"}[op]] = left
		if body, err = json.Marshal(said); err != nil {
			return nil, err
		}
		answer.Header.Del("X-Amz-Crc32")
		answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		answer.Header.Del("Content-Length")
		return answer, nil
	})
}

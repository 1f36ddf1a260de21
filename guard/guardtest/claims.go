package guardtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/solocron/solocron/guard"
)

// Claims is a ledger that a guard asks for its go. It answers as DynamoDB does:
// whoever asks first is written down, and everybody after is told who that was.
type Claims struct {
	server *httptest.Server

	mu     sync.Mutex
	by     string   // who passed
	asked  int      // questions so far
	faults []Fault  // for the next questions, in order
	wrong  []string // what a question should not have been like
}

// Fault is what a ledger does instead of answering as it should.
type Fault func(w http.ResponseWriter, answer func(http.ResponseWriter))

// Answers is a fault that answers something else and does nothing.
func Answers(code int, body string) Fault {
	return func(w http.ResponseWriter, _ func(http.ResponseWriter)) {
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

// ReplyLost does what was asked for and cuts the connection.
func ReplyLost(_ http.ResponseWriter, answer func(http.ResponseWriter)) {
	answer(httptest.NewRecorder())
	panic(http.ErrAbortHandler)
}

// NotHeard cuts the connection before anything is done.
func NotHeard(http.ResponseWriter, func(http.ResponseWriter)) { panic(http.ErrAbortHandler) }

// ledgerToken is a header that must reach the ledger as it is.
const ledgerToken = `AWS4-HMAC-SHA256 Credential=AK/20261122/eu-west-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature=0f+/=`

// NewClaims starts a ledger on the loopback.
func NewClaims(t *testing.T, faults ...Fault) *Claims {
	c := &Claims{faults: faults}
	c.server = httptest.NewServer(c)
	t.Cleanup(func() {
		c.server.Close()
		for _, words := range c.wrong {
			t.Error(words)
		}
	})
	return c
}

// Order gives the order a claim on this ledger.
func (c *Claims) Order(o guard.Order) guard.Order {
	o.Claim = &guard.Claim{
		URL: c.server.URL + "/",
		Headers: map[string]string{
			"Authorization": ledgerToken, "Content-Type": "application/x-amz-json-1.0",
			"X-Amz-Target": "DynamoDB_20120810.UpdateItem", "X-Amz-Date": "20261122T023000Z",
			"Host": strings.TrimPrefix(c.server.URL, "http://"), "Content-Length": "1",
		},
		Body: fmt.Sprintf(`{"by":{"S":"guard %s"},"note":"it's \"$HOME\" \\ %%s"}`, o.Token),
	}
	return o
}

// Take is the scheduler's try to take the attempt back.
func (c *Claims) Take(by string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == "" {
		c.by = by
	}
	return c.by == by
}

// Asked is how many questions there were.
func (c *Claims) Asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

func (c *Claims) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var item struct {
		By struct{ S string } `json:"by"`
	}
	err := json.Unmarshal(body, &item)
	c.mu.Lock()
	c.asked++
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Authorization") != ledgerToken ||
		r.Header.Get("Content-Type") != "application/x-amz-json-1.0" || !strings.HasSuffix(string(body), `it's \"$HOME\" \\ %s"}`) {
		c.wrong = append(c.wrong, fmt.Sprintf("the ledger was asked %s %v %q", r.Method, r.Header, body))
	}
	var fault Fault
	if len(c.faults) > 0 {
		fault, c.faults = c.faults[0], c.faults[1:]
	}
	c.mu.Unlock()
	if fault != nil {
		fault(w, func(w http.ResponseWriter) { c.decide(w, item.By.S) })
		return
	}
	c.decide(w, item.By.S)
}

// decide is the conditional update: only the first asker passes, and also its
// own second question is told no, with who it was.
func (c *Claims) decide(w http.ResponseWriter, by string) {
	c.mu.Lock()
	first := c.by == ""
	if first {
		c.by = by
	}
	who := c.by
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if first {
		io.WriteString(w, "{}")
		return
	}
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","Item":{"by":{"S":%q},"pk":{"S":"CLAIM#x"}},"message":"The conditional request failed"}`, who)
}

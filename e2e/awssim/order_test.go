package awssim_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// order is what a one-way guard reads of its order.
type order struct {
	name, token, lock  string
	timeout            time.Duration
	startBy            int64
	url, headers, body string // of the claim
}

// unquoted undoes what the order does to a value, between its outer quotes.
var unquoted = strings.NewReplacer(`'\''`, `'`, `'"$nl"'`, "\n")

// readOrder reads the shell's assignments.
func readOrder(text string) order {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		values[name] = unquoted.Replace(strings.TrimSuffix(strings.TrimPrefix(value, "'"), "'"))
	}
	seconds, _ := strconv.ParseFloat(values["o_timeout"], 64)
	startBy, _ := strconv.ParseInt(values["o_startby"], 10, 64)
	return order{
		name: values["o_name"], token: values["o_token"], lock: values["o_lock"],
		timeout: time.Duration(seconds * float64(time.Second)), startBy: startBy,
		url: values["o_url"], headers: values["o_headers"], body: values["o_body"],
	}
}

func (o order) late() string {
	if o.startBy != 0 && time.Now().Unix() > o.startBy {
		return "the order came too late by the clock of this host"
	}
	return ""
}

// permit asks whether the attempt may start, for as long as the guard does. It
// returns why not, and false if the host was restarted meanwhile.
func (h *host) permit(boot context.Context, o order) (refusal string, alive bool) {
	if o.url == "" {
		return o.late(), true
	}
	patience := time.Now().Add(20 * time.Second)
	for pause := 500 * time.Millisecond; ; pause = min(pause.Truncate(time.Second)+time.Second, 2*time.Second) {
		if refusal := o.late(); refusal != "" {
			return refusal, true
		}
		code, answer := h.post(boot, o)
		if boot.Err() != nil {
			return "", false
		}
		if refusal, decided := o.judge(code, answer); decided {
			return refusal, true
		}
		if !time.Now().Before(patience) {
			return "cannot reach the ledger: " + answer, true
		}
		if !h.w.rest(boot, pause) {
			return "", false
		}
	}
}

// judge reads an answer as the guard does, by its text.
func (o order) judge(code int, answer string) (refusal string, decided bool) {
	has := func(word string) bool { return strings.Contains(answer, word) }
	switch {
	case code == http.StatusOK && strings.HasPrefix(answer, "{"):
		return "", true
	case code == 0, code >= 500, code == http.StatusRequestTimeout, code == http.StatusTooManyRequests:
		return "", false
	case has("ConditionalCheckFailed") && has(`"guard `+o.token+`"`):
		return "", true
	case has("ConditionalCheckFailed"):
		return "taken back by the scheduler before this host claimed it", true
	case has("Conflict"), has("Throttl"), has("ThroughputExceeded"), has("LimitExceeded"):
		return "", false
	case has("xpired"):
		return "the claim has expired by the clock of the ledger: the order came too late", true
	}
	return fmt.Sprintf("the ledger did not take the claim: it answered %d %s", code, answer), true
}

// post sends the claim once. Without an answer, code is 0.
func (h *host) post(boot context.Context, o order) (code int, answer string) {
	ctx, cancel := context.WithTimeout(boot, 8*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url, strings.NewReader(o.body))
	if err != nil {
		h.w.t.Error(err)
		return 0, err.Error()
	}
	for line := range strings.Lines(o.headers) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		r.Header.Set(name, value)
	}
	resp, err := (&http.Client{Transport: network{h.w}}).Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

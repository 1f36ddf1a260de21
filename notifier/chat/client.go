package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/discord"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/pagerduty"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
	"github.com/nicholas-fedor/shoutrrr/pkg/util/jsonclient"
)

// bind makes the services that allow it send in ctx. Discord's would otherwise
// go on trying for minutes, beside the outbox that does the same, and ntfy's
// keep a connection of every message.
func bind(ctx context.Context, service types.Service) {
	switch s := service.(type) {
	case *discord.Service:
		s.HTTPClient = client(ctx)
	case *pagerduty.Service:
		s.SetHTTPClient(client(ctx))
	case *ntfy.Service:
		if !s.Config.DisableTLSVerification {
			s.SetHTTPClient(client(ctx))
		}
	}
}

// client makes requests in ctx, whatever context they were made with.
func client(ctx context.Context) *http.Client {
	return &http.Client{Transport: bound{ctx}}
}

// bound keeps no connection, since messages are rare, and turns every answer
// but 2xx into an error, redirects included.
type bound struct{ ctx context.Context }

var transport = &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}

// answer is what a server said other than 2xx.
type answer struct {
	status int
	said   string
}

func (a *answer) Error() string {
	return fmt.Sprintf("answered %d %s: %s", a.status, http.StatusText(a.status), a.said)
}

const answerBytes = 2 << 10 // of an answer's body that are read

func (b bound) RoundTrip(q *http.Request) (*http.Response, error) {
	response, err := transport.RoundTrip(q.WithContext(b.ctx))
	if err != nil || response.StatusCode/100 == 2 {
		return response, err
	}
	defer response.Body.Close()
	// An answer that breaks off is still an answer.
	said, _ := io.ReadAll(io.LimitReader(response.Body, answerBytes))
	return nil, &answer{response.StatusCode, string(said)}
}

func refused(status int) bool {
	return status/100 == 3 || status/100 == 4 && status != http.StatusRequestTimeout &&
		status != http.StatusTooEarly && status != http.StatusTooManyRequests
}

// statusIn finds a status as the library's services write it: "status code:
// 404", "HTTP 404", "404 Not Found", and in brackets ntfy's 40401.
var statusIn = regexp.MustCompile(`(?i:status(?: code)?|http)[ :"]*([45]\d\d)\b|\b([45]\d\d) [A-Z][a-z]|\(([45]\d\d)(?:\d\d)?\)`)

// status is the HTTP status behind a failure, or 0.
func status(err error) int {
	var ours *answer
	if errors.As(err, &ours) {
		return ours.status
	}
	var theirs jsonclient.Error
	if errors.As(err, &theirs) {
		return theirs.StatusCode
	}
	var asked *url.Error
	if errors.As(err, &asked) {
		return 0 // there was no answer
	}
	if found := statusIn.FindStringSubmatch(err.Error()); found != nil {
		code, _ := strconv.Atoi(found[1] + found[2] + found[3])
		return code
	}
	return 0
}

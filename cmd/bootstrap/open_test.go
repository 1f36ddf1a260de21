package main

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

const settings = `{"table":"solocron","ec2":{"region":"ap-northeast-1","document":"solocron","claims":"solocron","claim_within":120000000000},
	"topics":{"ops":{"topic":"arn:aws:sns:ap-northeast-1:123456789012:cron"}},"retention":2592000000000000}`

// Opening calls nobody: it works with a network that nobody may use, and
// without credentials.
func TestOpenCallsNobody(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	was := http.DefaultTransport
	defer func() { http.DefaultTransport = was }()
	http.DefaultTransport = refuse{t}
	if _, err := open(t.Context(), env(settings), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}

type refuse struct{ t *testing.T }

func (f refuse) RoundTrip(r *http.Request) (*http.Response, error) {
	f.t.Errorf("called %s", r.URL)
	return nil, http.ErrAbortHandler
}

func env(settings string) func(string) string {
	return func(name string) string {
		if name == settingsVariable {
			return settings
		}
		return ""
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	for settings, want := range map[string]string{
		"":              "SOLOCRON_SETTINGS is not set",
		"{":             "SOLOCRON_SETTINGS: settings",
		`{"tabel":"x"}`: `unknown field "tabel"`,
		`{}`:            "table is missing",
		`{"table":"x"}`: "region or document is missing",
		`{"table":"x","ec2":{"region":"r","document":"d"}}`:                                                           "claim_within is missing",
		`{"table":"x","ec2":{"region":"r","document":"d","claim_within":1},"topics":{"ops":{"topic":"arn:nothing"}}}`: "notify target ops",
	} {
		_, err := open(t.Context(), env(settings), slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", settings, err, want)
		}
	}
}

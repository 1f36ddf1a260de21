package awsloop

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// No header but the right one is taken for a signature.
func FuzzCredential(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKIA/20260102/us-east-1/ssm/aws4_request, SignedHeaders=host;x-amz-date, Signature=00")
	f.Add("AWS4-HMAC-SHA256 Credential=////aws4_request,SignedHeaders=host,Signature=")
	f.Add("Basic YTpi")
	s := New(Options{})
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
		r.Header.Set("Authorization", header)
		r.Header.Set("X-Amz-Date", "20260102T030405Z")
		if _, err := s.verify(r, []byte("{}")); err == nil {
			t.Errorf("taken for signed: %q", header)
		}
	})
}

// Whatever a document holds that was accepted, its script has a sane timeout.
func FuzzDocument(f *testing.F) {
	f.Add(runShellScript, "echo {{ x }}")
	f.Add(`{"schemaVersion":"2.2","parameters":{"a":{"type":"StringList"}},"mainSteps":[{"action":"aws:runShellScript",`+
		`"name":"x","inputs":{"runCommand":["{{a}}","echo {{ a }}"],"timeoutSeconds":60}}]}`, "$1")
	f.Fuzz(func(t *testing.T, text, value string) {
		c, err := parseContent(text, "JSON")
		if err != nil {
			return
		}
		sent := map[string][]string{}
		for name := range c.Parameters {
			sent[name] = []string{value}
		}
		args, err := c.arguments(sent, func(string) (string, bool) { return "", false })
		if err != nil {
			return
		}
		if s := c.script(args); s.timeout < 5 || s.timeout > 172800 {
			t.Errorf("the agent takes %d seconds", s.timeout)
		}
	})
}

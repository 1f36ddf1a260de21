package ssmexec

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/solocron/solocron/guard"
)

// at makes the executor's DynamoDB the server's.
func at(server string) func(*Options) {
	return func(o *Options) {
		opts := o.DynamoDB.Options()
		opts.BaseEndpoint = aws.String(server)
		o.DynamoDB = dynamodb.New(opts)
	}
}

func TestClaim(t *testing.T) {
	s := newScript()
	c, err := s.open().claims.sign(t.Context(), order())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.calls) > 0 {
		t.Errorf("calls %v", s.calls)
	}
	if c.URL != "https://dynamodb.eu-north-1.amazonaws.com/" {
		t.Errorf("goes to %s", c.URL)
	}
	if c.Headers["X-Amz-Target"] != "DynamoDB_20120810.UpdateItem" || c.Headers["X-Amz-Security-Token"] != "session+token/=" || len(c.Headers) != 5 {
		t.Errorf("headers %v", c.Headers)
	}
	contains(t, c.Headers["Authorization"], "SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-security-token;x-amz-target,")
	var body map[string]any
	if err := json.Unmarshal([]byte(c.Body), &body); err != nil {
		t.Fatal(err)
	}
	values := attributes(body["ExpressionAttributeValues"])
	if body["TableName"] != "claims" || pk(body["Key"]) != "CLAIM#job@20261122T023000Z.1" || values[":by"]["S"] != "guard token1" ||
		body["ConditionExpression"] != "attribute_not_exists(#by)" || body["ReturnValuesOnConditionCheckFailure"] != "ALL_OLD" {
		t.Errorf("body %s", c.Body)
	}
	o := order()
	o.Claim = c
	if _, err := o.Parameters(); err != nil {
		t.Errorf("a guard can't take it: %v", err)
	}
}

// What curl sends is what was signed, by a reckoning of the signature that has
// nothing in common with the SDK's.
func TestClaimPostedByCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("install curl: Debian package curl")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		fmt.Fprint(w, verify(req, body, "secret"))
	}))
	defer server.Close()
	c, err := newScript().open(at(server.URL)).claims.sign(t.Context(), order())
	if err != nil {
		t.Fatal(err)
	}
	for words, spoil := range map[string]func(guard.Claim) guard.Claim{
		"verified": func(c guard.Claim) guard.Claim { return c },
		"another signature": func(c guard.Claim) guard.Claim {
			c.Body = strings.Replace(c.Body, "token1", "token2", 1)
			return c
		},
	} {
		c := spoil(*c)
		args := []string{"-sS", "--noproxy", "*", "--data-binary", c.Body, c.URL}
		for name, value := range c.Headers {
			args = append(args, "-H", name+": "+value)
		}
		out, err := exec.CommandContext(t.Context(), curl, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		contains(t, string(out), words)
	}
}

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/(\d{8})/eu-north-1/dynamodb/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$`)

// verify reckons the signature of a request as the SigV4 specification says.
func verify(req *http.Request, body []byte, secret string) string {
	m := authorization.FindStringSubmatch(req.Header.Get("Authorization"))
	if m == nil {
		return "unreadable: " + req.Header.Get("Authorization")
	}
	day, names, signature := m[1], m[2], m[3]
	stamp := req.Header.Get("X-Amz-Date")
	if at, err := time.Parse("20060102T150405Z", stamp); err != nil || time.Since(at).Abs() > time.Minute {
		return "signed at " + stamp
	}
	canonical := req.Method + "\n/\n\n"
	for name := range strings.SplitSeq(names, ";") {
		value := strings.Join(req.Header.Values(name), ",")
		switch name {
		case "host":
			value = req.Host
		case "content-length":
			value = fmt.Sprint(req.ContentLength)
		}
		canonical += name + ":" + strings.TrimSpace(value) + "\n"
	}
	canonical += "\n" + names + "\n" + digest(body)
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + day + "/eu-north-1/dynamodb/aws4_request\n" + digest([]byte(canonical))
	key := []byte("AWS4" + secret)
	for _, part := range []string{day, "eu-north-1", "dynamodb", "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if hex.EncodeToString(key) != signature {
		return "another signature than of\n" + canonical
	}
	return "verified"
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

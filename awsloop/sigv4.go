package awsloop

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// skew is how far a request's clock may be off from ours.
const skew = 5 * time.Minute

const (
	algorithm  = "AWS4-HMAC-SHA256"
	signedTime = "20060102T150405Z"
)

// credential is the Authorization header of a signed request, taken apart.
type credential struct {
	key, date, region, service string
	headers                    []string // those that were signed
	signature                  string
}

// scope is what the signing key was made for.
func (c credential) scope() string {
	return strings.Join([]string{c.date, c.region, c.service, "aws4_request"}, "/")
}

// credentialOf takes the header apart; a zero signature means that it isn't one.
//
//	AWS4-HMAC-SHA256 Credential=KEY/20060102/REGION/SERVICE/aws4_request, SignedHeaders=a;b, Signature=hex
func credentialOf(authorization string) credential {
	rest, ok := strings.CutPrefix(authorization, algorithm+" ")
	if !ok {
		return credential{}
	}
	var c credential
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			parts := strings.Split(value, "/")
			if len(parts) != 5 || parts[4] != "aws4_request" {
				return credential{}
			}
			c.key, c.date, c.region, c.service = parts[0], parts[1], parts[2], parts[3]
		case "SignedHeaders":
			c.headers = strings.Split(value, ";")
		case "Signature":
			c.signature = value
		}
	}
	return c
}

// verify checks the request's signature and age and returns the service that it
// was signed for. The error is a [fault].
func (s *Server) verify(r *http.Request, body []byte) (service string, err error) {
	c := credentialOf(r.Header.Get("Authorization"))
	if c.signature == "" || c.service == "" || !slices.Contains(c.headers, "host") {
		return "", fault{unsigned, "Request is missing Authentication Token"}
	}
	s.mu.Lock()
	secret, known := s.keys[c.key]
	s.mu.Unlock()
	if !known {
		return "", fault{unknownKey, "The security token included in the request is invalid."}
	}
	date := r.Header.Get("X-Amz-Date")
	at, err := time.Parse(signedTime, date)
	if err != nil || !slices.Contains(c.headers, "x-amz-date") || date[:8] != c.date {
		return "", fault{badSignature, "Date in Credential scope does not match the signed X-Amz-Date " + strconv.Quote(date)}
	}
	if err := fresh(at, time.Now()); err != nil {
		return "", err
	}
	if want := signature(r, body, c, date, secret); !hmac.Equal([]byte(want), []byte(c.signature)) {
		return "", fault{badSignature, "The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method."}
	}
	return c.service, nil
}

func fresh(at, now time.Time) error {
	text := func(t time.Time) string { return t.UTC().Format(signedTime) }
	switch {
	case at.Before(now.Add(-skew)):
		return fault{expired, fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - 5 min.)", text(at), text(now.Add(-skew)), text(now))}
	case at.After(now.Add(skew)):
		return fault{expired, fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + 5 min.)", text(at), text(now.Add(skew)), text(now))}
	}
	return nil
}

// signature is what the request should carry, by Signature Version 4.
func signature(r *http.Request, body []byte, c credential, date, secret string) string {
	canonical := sha256.Sum256(canonicalRequest(r, body, c))
	text := strings.Join([]string{algorithm, date, c.scope(), hex.EncodeToString(canonical[:])}, "\n")
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(c.scope(), "/") {
		key = sign(key, part)
	}
	return hex.EncodeToString(sign(key, text))
}

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, text) //nolint:errcheck // a hash takes all
	return mac.Sum(nil)
}

func canonicalRequest(r *http.Request, body []byte, c credential) []byte {
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	if c.service != "s3" { // all others escape what is escaped already
		path = escape(path, true)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, path, canonicalQuery(r.URL.Query()))
	for _, name := range c.headers {
		fmt.Fprintf(&b, "%s:%s\n", name, headerValue(r, name))
	}
	fmt.Fprintf(&b, "\n%s\n%s", strings.Join(c.headers, ";"), payloadHash(r, body, c))
	return b.Bytes()
}

// payloadHash is the body's own, whatever the request claims; S3 alone lets a
// request name another, for a body that is unsigned or signed in pieces.
func payloadHash(r *http.Request, body []byte, c credential) string {
	if claimed := r.Header.Get("X-Amz-Content-Sha256"); c.service == "s3" && len(claimed) != 2*sha256.Size {
		return claimed
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	values := slices.Clone(r.Header.Values(name))
	for i, v := range values {
		values[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(values, ",")
}

func canonicalQuery(values url.Values) string {
	var pairs []string
	for name, all := range values {
		for _, v := range all {
			pairs = append(pairs, escape(name, false)+"="+escape(v, false))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// escape is RFC 3986's, as AWS wants it: everything but unreserved characters.
func escape(text string, path bool) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0, path && c == '/':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

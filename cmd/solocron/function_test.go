package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/solocron/solocron/web"
)

// lambdaFunction is the script command "function NAME FOLDER": a Lambda service
// with one function, which answers as the script command scheduler does. The
// functions "denied", "busy", "broken" and "other" are the ways in which that
// can fail.
func lambdaFunction(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: function NAME FOLDER")
	}
	s := httptest.NewServer(lambdaService(map[string]http.Handler{args[0]: &canned{folder: ts.MkAbs(args[1]), waits: map[string]int{}}}))
	ts.Defer(s.Close)
	for name, value := range awsVariables(s.URL) {
		ts.Setenv(name, value)
	}
}

func awsVariables(endpoint string) map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	}
}

// lambdaService answers Invoke in the form of Lambda's own API.
func lambdaService(functions map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		if refused, ok := map[string][3]string{
			"denied":  {"403", "AccessDeniedException", "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: lambda:InvokeFunction"},
			"busy":    {"429", "TooManyRequestsException", "Rate Exceeded."},
			"expired": {"403", "ExpiredTokenException", "The security token included in the request is expired"},
			"down":    {"500", "ServiceException", "internal"},
		}[name]; ok {
			refuse(w, refused)
			return
		}
		switch h := functions[name]; {
		case name == "broken":
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			_, _ = io.WriteString(w, `{"errorMessage":"Task timed out after 30.03 seconds"}`)
		case name == "other":
			_, _ = io.WriteString(w, `"hello"`)
		case h == nil:
			refuse(w, [3]string{"404", "ResourceNotFoundException", "Function not found: " + name})
		default:
			_ = json.NewEncoder(w).Encode(invoke(h, r.Body))
		}
	})
	return mux
}

func refuse(w http.ResponseWriter, status [3]string) {
	w.Header().Set("X-Amzn-Errortype", status[1])
	w.WriteHeader(map[string]int{"403": 403, "404": 404, "429": 429, "500": 500}[status[0]])
	_ = json.NewEncoder(w).Encode(map[string]string{"Message": status[2]})
}

// invoke is what a function behind a URL does with its event.
func invoke(h http.Handler, payload io.Reader) any {
	var e events.LambdaFunctionURLRequest
	if err := json.NewDecoder(payload).Decode(&e); err != nil {
		return err.Error()
	}
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		body, _ = base64.StdEncoding.DecodeString(e.Body)
	}
	r := httptest.NewRequest(e.RequestContext.HTTP.Method, "http://function"+e.RawPath+"?"+e.RawQueryString, strings.NewReader(string(body)))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	answer := events.LambdaFunctionURLResponse{StatusCode: w.Code, Headers: map[string]string{}, Body: w.Body.String()}
	for name := range w.Header() {
		answer.Headers[name] = w.Header().Get(name)
	}
	if !utf8.ValidString(answer.Body) {
		answer.Body, answer.IsBase64Encoded = base64.StdEncoding.EncodeToString(w.Body.Bytes()), true
	}
	return answer
}

// Whatever a request and its answer hold, they arrive as they are.
func TestFunctionCarriesRequests(t *testing.T) {
	var seen *http.Request
	var sent []byte
	binary := []byte{0, 0xff, '\n', 0x1b}
	s := httptest.NewServer(lambdaService(map[string]http.Handler{"solocron": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		sent, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write(binary)
	})}))
	defer s.Close()
	for name, value := range awsVariables(s.URL) {
		t.Setenv(name, value)
	}
	f := &invoker{name: "solocron"}
	for _, body := range []string{"", `{"by":"Jörg@host"}`, string(binary)} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://solocron/v1/runs/a%2Fb@20261122T023000Z?state=lost&q=%25", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := f.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(got) != string(binary) || res.StatusCode != http.StatusTeapot || res.Header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("answer %d %q %v", res.StatusCode, got, res.Header)
		}
		if seen.URL.RequestURI() != r.URL.RequestURI() || seen.Method != http.MethodPost || string(sent) != body {
			t.Errorf("the function saw %s %s %q; want %s %q", seen.Method, seen.URL.RequestURI(), sent, r.URL.RequestURI(), body)
		}
	}
}

func TestFunctionSaysWhatIsWrong(t *testing.T) {
	s := httptest.NewServer(lambdaService(nil))
	defer s.Close()
	for name, value := range awsVariables(s.URL) {
		t.Setenv(name, value)
	}
	for _, c := range []struct {
		name, message, hint string
		status              int
	}{
		{"missing", "there is no Lambda function missing in eu-central-1", "AWS_REGION", http.StatusNotFound},
		{"denied", "no permission to invoke Lambda function denied: User: arn:", "allow lambda:InvokeFunction", http.StatusForbidden},
		{"expired", "AWS does not accept the credentials: ", "AWS_PROFILE", http.StatusUnauthorized},
		{"busy", "Lambda function busy is busy: Rate Exceeded.", "try again", http.StatusServiceUnavailable},
		{"broken", "Lambda function broken failed: Task timed out after 30.03 seconds", "log", http.StatusBadGateway},
		{"other", "Lambda function other answered, but not as solocron's does", "--function", http.StatusNotImplemented},
	} {
		_, err := newFunctionClient(c.name, "").Status(t.Context())
		var p *web.Problem
		if !errors.As(err, &p) || !strings.HasPrefix(p.Message, c.message) || !strings.Contains(p.Hint, c.hint) || p.Status != c.status {
			t.Errorf("%s: %#v; want %d %s; %s", c.name, err, c.status, c.message, c.hint)
		}
	}
	// After an order without an answer, nobody knows.
	_, err := newFunctionClient("down", "").RunNow(t.Context(), "a", web.Ask{})
	if err == nil || !strings.Contains(err.Error(), "scheduler in Lambda function down: ") || !strings.Contains(err.Error(), "nobody can say") {
		t.Errorf("order to a service that is down: %v", err)
	}
	_, err = newFunctionClient("solocron", "").RunNow(t.Context(), "a", web.Ask{Note: strings.Repeat("x", maxInvocation)})
	if err == nil || !strings.Contains(err.Error(), "a Lambda function takes 6291456") {
		t.Errorf("order of 6 MB: %v", err)
	}
}

func TestFunctionWithoutAWS(t *testing.T) {
	for name, value := range awsVariables("http://127.0.0.1:1") {
		t.Setenv(name, value)
	}
	t.Setenv("AWS_REGION", "")
	if _, err := newFunctionClient("f", "").Status(t.Context()); err == nil || !strings.Contains(err.Error(), "set AWS_REGION") {
		t.Errorf("without a region: %v", err)
	}
	// An ARN brings its region along.
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	if _, err := newFunctionClient("arn:aws:lambda:eu-central-1:123456789012:function:f", "").Status(t.Context()); err == nil || !strings.Contains(err.Error(), "AWS credentials: ") {
		t.Errorf("without credentials: %v", err)
	}
}

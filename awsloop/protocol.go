package awsloop

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/aws/smithy-go/encoding/cbor"
)

// protocol is how a service's requests and errors look on the wire.
type protocol string

const (
	jsonRPC  protocol = "json"      // X-Amz-Target names the operation
	query    protocol = "query"     // a form whose Action names the operation
	ec2Query protocol = "ec2"       // the same, with errors of its own form
	restJSON protocol = "rest-json" // method and path name the operation
	restXML  protocol = "rest-xml"
)

// protocolOf tells the protocol by the request, as signed or as it looks.
func protocolOf(r *http.Request) protocol {
	service := credentialOf(r.Header.Get("Authorization")).service
	switch {
	case r.Header.Get(cborHeader) == cborName:
		return rpcCBOR
	case r.Header.Get("X-Amz-Target") != "":
		return jsonRPC
	case service == "ec2":
		return ec2Query
	case service == "s3":
		return restXML
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		return query
	}
	return restJSON
}

// operations names those of the services that name them by method and path.
var operations = map[string]*http.ServeMux{
	"scheduler": named(map[string]string{
		"POST /schedules/{name}":         "CreateSchedule",
		"GET /schedules/{name}":          "GetSchedule",
		"PUT /schedules/{name}":          "UpdateSchedule",
		"DELETE /schedules/{name}":       "DeleteSchedule",
		"GET /schedules":                 "ListSchedules",
		"POST /schedule-groups/{name}":   "CreateScheduleGroup",
		"GET /schedule-groups/{name}":    "GetScheduleGroup",
		"DELETE /schedule-groups/{name}": "DeleteScheduleGroup",
		"GET /schedule-groups":           "ListScheduleGroups",
		"GET /tags/{arn...}":             "ListTagsForResource",
		"POST /tags/{arn...}":            "TagResource",
		"DELETE /tags/{arn...}":          "UntagResource",
	}),
	"lambda": named(map[string]string{
		"POST /2015-03-31/functions/{name}/invocations": "Invoke",
		"POST /2015-03-31/functions":                    "CreateFunction",
		"GET /2015-03-31/functions/{name}":              "GetFunction",
	}),
}

// namer is a route that stands for an operation.
type namer string

func (namer) ServeHTTP(http.ResponseWriter, *http.Request) {}

func named(routes map[string]string) *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, operation := range routes {
		mux.Handle(pattern, namer(operation))
	}
	return mux
}

// operationOf names what is asked for: "SendCommand"; "GET /path" for want of a
// name.
func operationOf(h http.Handler, service string, r *http.Request, body []byte) string {
	if h, ok := h.(interface{ Operation(*http.Request) string }); ok {
		return h.Operation(r)
	}
	if _, operation, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		return operation
	}
	if service == "s3" {
		return s3Operation(r)
	}
	if protocolOf(r) == rpcCBOR {
		return path.Base(r.URL.Path)
	}
	if p := protocolOf(r); p == query || p == ec2Query {
		if form, err := url.ParseQuery(string(body)); err == nil && form.Has("Action") {
			return form.Get("Action")
		}
	}
	if mux := operations[service]; mux != nil {
		if h, _ := mux.Handler(r); h != nil {
			if n, ok := h.(namer); ok {
				return string(n)
			}
		}
	}
	return r.Method + " " + r.URL.Path
}

// fault is a refusal by the front itself.
type fault struct {
	kind    kind
	message string
}

func (f fault) Error() string { return f.message }

// kind is why the front refuses; each protocol has its own code for it.
type kind int

const (
	unsigned kind = iota
	unknownKey
	badSignature
	expired
	throttled
	unavailable
)

// code is an error's name and HTTP status.
type code struct {
	name   string
	status int
}

// codes are those that the services answer with. JSON services say
// InvalidSignatureException also for a request that is too old.
var codes = map[protocol]map[kind]code{
	jsonRPC: {
		unsigned:     {"MissingAuthenticationTokenException", 400},
		unknownKey:   {"UnrecognizedClientException", 400},
		badSignature: {"InvalidSignatureException", 400},
		expired:      {"InvalidSignatureException", 400},
		throttled:    {"ThrottlingException", 400},
		unavailable:  {"ServiceUnavailableException", 503},
	},
	restJSON: {
		unsigned:     {"MissingAuthenticationTokenException", 403},
		unknownKey:   {"UnrecognizedClientException", 403},
		badSignature: {"InvalidSignatureException", 403},
		expired:      {"InvalidSignatureException", 403},
		throttled:    {"ThrottlingException", 429},
		unavailable:  {"ServiceUnavailableException", 503},
	},
	rpcCBOR: {
		unsigned:     {"MissingAuthenticationTokenException", 403},
		unknownKey:   {"UnrecognizedClientException", 403},
		badSignature: {"InvalidSignatureException", 403},
		expired:      {"InvalidSignatureException", 403},
		throttled:    {"ThrottlingException", 400},
		unavailable:  {"ServiceUnavailableException", 503},
	},
	query: {
		unsigned:     {"MissingAuthenticationToken", 403},
		unknownKey:   {"InvalidClientTokenId", 403},
		badSignature: {"SignatureDoesNotMatch", 403},
		expired:      {"SignatureDoesNotMatch", 403},
		throttled:    {"Throttling", 400},
		unavailable:  {"ServiceUnavailable", 503},
	},
	ec2Query: {
		unsigned:     {"MissingAuthenticationToken", 401},
		unknownKey:   {"AuthFailure", 401},
		badSignature: {"SignatureDoesNotMatch", 403},
		expired:      {"RequestExpired", 400},
		throttled:    {"RequestLimitExceeded", 503},
		unavailable:  {"Unavailable", 503},
	},
	restXML: {
		unsigned:     {"AccessDenied", 403},
		unknownKey:   {"InvalidAccessKeyId", 403},
		badSignature: {"SignatureDoesNotMatch", 403},
		expired:      {"RequestTimeTooSkewed", 403},
		throttled:    {"SlowDown", 503},
		unavailable:  {"ServiceUnavailable", 503},
	},
}

// refuse answers with the fault in the protocol's form.
func (p protocol) refuse(w http.ResponseWriter, f fault) {
	c := codes[p][f.kind]
	p.fail(w, c.status, c.name, f.message)
}

// fail answers with an error in the protocol's form.
func (p protocol) fail(w http.ResponseWriter, status int, name, message string) {
	switch p {
	case rpcCBOR:
		writeCBOR(w, status, cbor.Map{"__type": cbor.String(name), "message": cbor.String(message)})
		return
	case jsonRPC, restJSON:
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if p == restJSON {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Amzn-Errortype", name)
		}
		w.WriteHeader(status)
		body, _ := json.Marshal(map[string]string{"__type": name, "message": message}) //nolint:errchkjson // two strings
		w.Write(body)                                                                  //nolint:errcheck // the client went away
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	form := "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>"
	switch p {
	case ec2Query:
		form = "<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors></Response>"
	case restXML:
		form = "<Error><Code>%s</Code><Message>%s</Message></Error>"
	}
	var text strings.Builder
	xml.EscapeText(&text, []byte(message)) //nolint:errcheck // a Builder takes all
	fmt.Fprintf(w, xml.Header+form, name, text.String())
}

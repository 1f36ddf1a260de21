package awsloop

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/smithy-go"
)

// Scheduler is EventBridge Scheduler: schedules in groups, checked as strictly
// as the documentation allows, that invoke functions at least once, more or
// less on time. A flexible time window is checked and kept, but not made use of.
type Scheduler struct {
	server *Server
	lambda *Lambda
	inside *inside // nil if nobody asks about rights
	clock  *Clock
	mux    *http.ServeMux
	mail   mail

	mu        sync.Mutex
	changed   chan struct{}
	schedules map[string]*entry // by group/name
	groups    map[string]*group
	tokens    map[string]token
	undone    []Undelivered
	lingering []lingering
}

// group is a schedule group.
type group struct {
	name              string
	created, modified time.Time
	tags              []types.Tag
}

// token is a request that was performed under a client token.
type token struct {
	request []byte
	answer  any
}

// NewScheduler answers the server's requests for the service "scheduler". Its
// schedules fire by [Scheduler.Fire], and by the clock after
// [Scheduler.Start]. A nil clock is the machine's.
func NewScheduler(s *Server, l *Lambda, clock *Clock) *Scheduler {
	if clock == nil {
		clock = NewClock(time.Now(), 1)
	}
	x := &Scheduler{
		server:    s,
		lambda:    l,
		clock:     clock,
		mail:      mail{server: s, knobs: func(k Knobs) DeliveryKnobs { return k.Invokes }},
		changed:   make(chan struct{}, 1),
		schedules: map[string]*entry{},
		groups:    map[string]*group{"default": {name: "default", created: clock.Now(), modified: clock.Now()}},
		tokens:    map[string]token{},
	}
	x.mux = x.routes()
	s.Handle("scheduler", x)
	return x
}

func (x *Scheduler) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, o := range map[string]operation{
		"POST /schedules/{name}":         x.on("CreateSchedule", x.createSchedule),
		"GET /schedules/{name}":          x.on("GetSchedule", x.getSchedule),
		"PUT /schedules/{name}":          x.on("UpdateSchedule", x.updateSchedule),
		"DELETE /schedules/{name}":       x.on("DeleteSchedule", x.deleteSchedule),
		"GET /schedules":                 x.on("ListSchedules", x.listSchedules),
		"POST /schedule-groups/{name}":   x.on("CreateScheduleGroup", x.createGroup),
		"GET /schedule-groups/{name}":    x.on("GetScheduleGroup", x.getGroup),
		"DELETE /schedule-groups/{name}": x.on("DeleteScheduleGroup", x.deleteGroup),
		"GET /schedule-groups":           x.on("ListScheduleGroups", x.listGroups),
		"POST /tags/{arn}":               x.on("TagResource", x.tag),
		"GET /tags/{arn}":                x.on("ListTagsForResource", x.listTags),
		"DELETE /tags/{arn}":             x.on("UntagResource", x.untag),
		"/":                              unknownOperation,
	} {
		mux.Handle(pattern, o)
	}
	return mux
}

// ServeHTTP answers all of the service's operations.
func (x *Scheduler) ServeHTTP(w http.ResponseWriter, r *http.Request) { x.mux.ServeHTTP(w, r) }

// Operation names what the request asks for.
func (x *Scheduler) Operation(r *http.Request) string { return operationBy(x.mux, r) }

// statuses of the errors that the service's model lists.
var statuses = map[string]int{"ConflictException": 409, "ResourceNotFoundException": 404, "ValidationException": 400}

func notValid(message string) error { return refusal("ValidationException", message) }
func missing(message string) error  { return refusal("ResourceNotFoundException", message) }
func conflict(message string) error { return refusal("ConflictException", message) }

// on is an operation that runs under the scheduler's lock. A request that is
// repeated with its client token gets the first one's answer.
func (x *Scheduler) on(name string, serve func(r *http.Request, body []byte) (any, error)) operation {
	return operation{name, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		out, err := x.once(r, body, serve)
		var known smithy.APIError
		if errors.As(err, &known) {
			restJSON.fail(w, cmp.Or(statuses[known.ErrorCode()], http.StatusBadRequest), known.ErrorCode(), known.ErrorMessage())
			return
		}
		reply(w, wire(reflect.ValueOf(out)))
	}}
}

func (x *Scheduler) once(r *http.Request, body []byte, serve func(r *http.Request, body []byte) (any, error)) (any, error) {
	var in struct{ ClientToken string }
	if len(body) > 0 {
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, refusal("SerializationException", err.Error())
		}
	}
	given := cmp.Or(in.ClientToken, r.URL.Query().Get("clientToken"))
	if given != "" && !tokenForm.MatchString(given) {
		return nil, notValid("ClientToken " + given)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	key := r.Method + " " + r.URL.EscapedPath() + " " + given
	if done, ok := x.tokens[key]; ok && given != "" {
		if !bytes.Equal(done.request, body) {
			return nil, conflict("ClientToken " + given + " was used for another request")
		}
		return done.answer, nil
	}
	out, err := serve(r, body)
	if err == nil && given != "" {
		x.tokens[key] = token{body, out}
	}
	return out, err
}

// pageOf cuts out what comes after the token, at most as many as the request
// wants. The token is the last key of the page before.
func pageOf[T any](r *http.Request, all []T, key func(T) string) (part []T, next *string, err error) {
	slices.SortFunc(all, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	q := r.URL.Query()
	size, err := ranged(q.Get("MaxResults"), 1, 100, 100)
	if err != nil {
		return nil, nil, notValid("MaxResults: " + err.Error())
	}
	if after := q.Get("NextToken"); after != "" {
		from, found := slices.BinarySearchFunc(all, after, func(t T, after string) int { return strings.Compare(key(t), after) })
		if found {
			from++
		}
		all = all[from:]
	}
	if len(all) > size {
		last := key(all[size-1])
		return all[:size], &last, nil
	}
	return all, nil, nil
}

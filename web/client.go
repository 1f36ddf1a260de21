package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/run"
)

// Client talks to a scheduler. Errors are a [*Problem] when the scheduler, or
// the way to it, said no, else they say where the scheduler is.
type Client struct {
	where string // completes "the scheduler …"
	http  *http.Client
}

// NewClient returns a client of the unix socket at the path. Nothing is opened
// yet.
func NewClient(path string) *Client { return NewClientVia(newSocket(path), "at "+path) }

// NewClientVia returns a client whose requests are carried by way. Where
// completes the sentence "the scheduler …" in errors. A [*Problem] that way
// returns is the caller's to see, as if the scheduler had said it.
func NewClientVia(way http.RoundTripper, where string) *Client {
	return &Client{where, &http.Client{Transport: way}}
}

// Status asks for the scheduler itself.
func (c *Client) Status(ctx context.Context) (v Status, err error) {
	err = c.get(ctx, "/v1/status", nil, &v)
	return v, err
}

// Jobs lists the jobs of the file at work, in its order.
func (c *Client) Jobs(ctx context.Context) (v []Job, err error) {
	err = c.get(ctx, "/v1/jobs", nil, &v)
	return v, err
}

// Hosts lists the fleet by ID; with a job, each host's verdict for it.
func (c *Client) Hosts(ctx context.Context, job string) (v []Host, err error) {
	form := url.Values{}
	if job != "" {
		form.Set("job", job)
	}
	err = c.get(ctx, "/v1/hosts", form, &v)
	return v, err
}

// Select says which runs to list; zero fields select everything.
type Select struct {
	Job          string
	States       []run.State
	Since, Until time.Time
	Limit        int
}

// Runs lists runs, the latest due first.
func (c *Client) Runs(ctx context.Context, q Select) (v []Run, err error) {
	form := url.Values{}
	if q.Job != "" {
		form.Set("job", q.Job)
	}
	for _, s := range q.States {
		form.Add("state", string(s))
	}
	if !q.Since.IsZero() {
		form.Set("since", q.Since.UTC().Format(time.RFC3339))
	}
	if !q.Until.IsZero() {
		form.Set("until", q.Until.UTC().Format(time.RFC3339))
	}
	if q.Limit > 0 {
		form.Set("limit", strconv.Itoa(q.Limit))
	}
	err = c.get(ctx, "/v1/runs", form, &v)
	return v, err
}

// Run asks for one run and all that is kept beside it.
func (c *Client) Run(ctx context.Context, id string) (v RunView, err error) {
	err = c.get(ctx, "/v1/runs/"+url.PathEscape(id), nil, &v)
	return v, err
}

// Wait returns the run once its version is another than the given one, or
// after half a minute as it is.
func (c *Client) Wait(ctx context.Context, id string, version int64) (v Run, err error) {
	form := url.Values{"version": {strconv.FormatInt(version, 10)}}
	err = c.get(ctx, "/v1/runs/"+url.PathEscape(id)+"/wait", form, &v)
	return v, err
}

// Output returns a piece of an attempt's output from offset on; empty if there
// is no more by now. Attempt 0 is the latest.
func (c *Client) Output(ctx context.Context, id string, attempt int, offset int64) ([]byte, error) {
	form := url.Values{"offset": {strconv.FormatInt(offset, 10)}}
	if attempt > 0 {
		form.Set("attempt", strconv.Itoa(attempt))
	}
	var raw []byte
	err := c.get(ctx, "/v1/runs/"+url.PathEscape(id)+"/output", form, &raw)
	return raw, err
}

// RunNow starts a job by hand.
func (c *Client) RunNow(ctx context.Context, job string, ask Ask) (v Run, err error) {
	err = c.post(ctx, "/v1/jobs/"+url.PathEscape(job)+"/run", ask, &v)
	return v, err
}

// Pause stops a job's due times from running.
func (c *Client) Pause(ctx context.Context, job string, ask Ask) error {
	return c.post(ctx, "/v1/jobs/"+url.PathEscape(job)+"/pause", ask, nil)
}

// Resume lets them run again.
func (c *Client) Resume(ctx context.Context, job string, ask Ask) error {
	return c.post(ctx, "/v1/jobs/"+url.PathEscape(job)+"/resume", ask, nil)
}

// Cancel ends a run.
func (c *Client) Cancel(ctx context.Context, id string, ask Ask) (v Run, err error) {
	err = c.post(ctx, "/v1/runs/"+url.PathEscape(id)+"/cancel", ask, &v)
	return v, err
}

// Resolve says what a lost run came to, or starts it again.
func (c *Client) Resolve(ctx context.Context, id string, ask Ask) (v Run, err error) {
	err = c.post(ctx, "/v1/runs/"+url.PathEscape(id)+"/resolve", ask, &v)
	return v, err
}

// Deployed lists the jobs in the scheduler's ledger, by name, those that were
// retired included.
func (c *Client) Deployed(ctx context.Context) ([]dispatch.Deployed, error) {
	var all []dispatch.Deployed
	for form := (url.Values{}); ; {
		var page Deployment
		if err := c.get(ctx, "/v1/deployment", form, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Jobs...)
		if page.Next == "" {
			return all, nil
		}
		form.Set("after", page.Next)
	}
}

// Deploy changes the jobs in the scheduler's ledger with one request, which has
// to fit: a Lambda function takes 6 MB of it as text within JSON, so 3 MB always
// do. The error wraps [dispatch.ErrMoved] if somebody else changed the jobs.
// Repeating is safe; see [dispatch.Dispatcher.Deploy].
func (c *Client) Deploy(ctx context.Context, change dispatch.Deployment) error {
	err := c.post(ctx, "/v1/deployment", change, nil)
	if p, ok := errors.AsType[*Problem](err); ok && p.Status == http.StatusConflict {
		return moved{p}
	}
	return err
}

// moved is the scheduler's own dispatch.ErrMoved, in its words.
type moved struct{ *Problem }

func (m moved) Unwrap() []error { return []error{m.Problem, dispatch.ErrMoved} }

func (c *Client) get(ctx context.Context, path string, form url.Values, v any) error {
	return c.do(ctx, http.MethodGet, path+"?"+form.Encode(), nil, v)
}

func (c *Client) post(ctx context.Context, path string, ask, v any) error {
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, path, bytes.NewReader(body), v)
}

// do asks and decodes the answer into v: a *[]byte takes it raw, nil drops it.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://solocron"+path, body)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		p := &Problem{Status: res.StatusCode}
		if err := json.NewDecoder(res.Body).Decode(p); err != nil || p.Message == "" {
			p.Message = "the scheduler answered " + res.Status
		}
		return p
	}
	switch v := v.(type) {
	case nil:
		return nil
	case *[]byte:
		*v, err = io.ReadAll(res.Body)
	default:
		err = json.NewDecoder(res.Body).Decode(v)
	}
	if err != nil {
		return fmt.Errorf("answer of the scheduler %s: %w", c.where, err)
	}
	return nil
}

// unreachable leaves out what the HTTP client adds: its address is made up.
func (c *Client) unreachable(err error) error {
	var problem *Problem
	var wrapped *url.Error
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &wrapped):
		err = wrapped.Err
	}
	return fmt.Errorf("scheduler %s: %w", c.where, err)
}

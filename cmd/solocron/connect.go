package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/web"
)

// socketPath is where the scheduler listens: the flag's path, else the one that
// the jobs file leads to.
func (g *globals) socketPath() (string, error) {
	if g.socket != "" {
		return g.socket, web.CheckSocket(g.socket)
	}
	f, err := job.Load(g.file)
	if err != nil {
		return "", &hintError{err, "the jobs file leads to the scheduler; --file names another one, --socket does without it"}
	}
	return g.socketOf(f)
}

// socketOf is socketPath for a jobs file that is read already.
func (g *globals) socketOf(f *job.File) (string, error) {
	path := cmp.Or(g.socket, web.Socket(f))
	return path, web.CheckSocket(path)
}

// client talks to the scheduler behind the socket, or to the one that is a
// Lambda function.
func (g *globals) client() (*web.Client, error) {
	if g.function != "" && g.socket != "" {
		return nil, usagef("--function and --socket each name a scheduler; keep one of them (SOLOCRON_FUNCTION and SOLOCRON_SOCKET count, too)")
	}
	if g.function != "" {
		return newFunctionClient(g.function, ""), nil
	}
	path, err := g.socketPath()
	if err != nil {
		return nil, err
	}
	return web.NewClient(path), nil
}

// asker is who gives an order, for the record: user@host, and behind sudo the
// user who called it.
func asker() string {
	name := cmp.Or(os.Getenv("SUDO_USER"), os.Getenv("USER"))
	if u, err := user.Current(); name == "" && err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return cmp.Or(name, "somebody") + "@" + host
}

// findRun turns what people type into a run's ID: the ID itself or a beginning
// of it that no other run shares.
func findRun(ctx context.Context, c *web.Client, text string) (string, error) {
	name, when, ok := strings.Cut(text, "@")
	if !ok || name == "" {
		return "", usagef("run %q: want JOB@YYYYMMDDTHHMMSSZ or the beginning of it", text)
	}
	since, until := within(when)
	runs, err := c.Runs(ctx, web.Select{Job: name, Since: since, Until: until})
	if err != nil {
		return "", err
	}
	var found []string
	for _, r := range runs {
		if r.ID == text {
			return text, nil
		}
		if strings.HasPrefix(r.ID, text) {
			found = append(found, r.ID)
		}
	}
	switch len(found) {
	case 0:
		return "", &hintError{fmt.Errorf("there is no run %s", text), "solocron runs lists the runs"}
	case 1:
		return found[0], nil
	}
	return "", &hintError{fmt.Errorf("%d runs begin with %s", len(found), text), "give more of the ID, such as " + found[0]}
}

// within is the stretch of time that the beginning of an ID's stamp leaves open.
// Both ends are zero when it has no whole date.
func within(stamp string) (since, until time.Time) {
	for _, part := range []struct {
		layout string
		long   time.Duration
	}{{"20060102T150405", time.Second}, {"20060102T1504", time.Minute}, {"20060102T15", time.Hour}, {"20060102", 24 * time.Hour}} {
		if n := len(part.layout); len(stamp) >= n {
			if t, err := time.Parse(part.layout, stamp[:n]); err == nil {
				return t, t.Add(part.long)
			}
		}
	}
	return since, until
}

// findLatest is findRun that also takes a job's name, for its latest run.
func findLatest(ctx context.Context, c *web.Client, text string) (string, error) {
	if strings.Contains(text, "@") {
		return findRun(ctx, c, text)
	}
	runs, err := c.Runs(ctx, web.Select{Job: text, Limit: 1})
	if err != nil {
		return "", err
	}
	if len(runs) == 0 {
		return "", &hintError{fmt.Errorf("job %s has no runs", text), "solocron runs lists the runs, solocron status the jobs"}
	}
	return runs[0].ID, nil
}

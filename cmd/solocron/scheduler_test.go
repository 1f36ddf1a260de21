package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/solocron/solocron/web"
)

// scheduler is the script command "scheduler SOCKET FOLDER": a scheduler that
// answers with the folder's files. The answer to /v1/runs/X is runs/X.json, to
// /v1/runs/X/output it is runs/X/output; a file that ends in -error.json holds
// a problem. runs/X/wait.json is an array whose elements come one after the
// other, and then from the first again. What was asked for is appended to FOLDER/requests.
func scheduler(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: scheduler SOCKET FOLDER")
	}
	listener, err := net.Listen("unix", ts.MkAbs(args[0]))
	ts.Check(err)
	server := &http.Server{Handler: &canned{folder: ts.MkAbs(args[1]), waits: map[string]int{}}}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	ts.Defer(func() {
		_ = server.Close()
		serving.Wait()
	})
}

type canned struct {
	folder string
	mu     sync.Mutex
	waits  map[string]int // how often a wait was answered
}

func (c *canned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	err := c.note(r)
	if err == nil && strings.HasSuffix(path, "/output") {
		err = c.output(w, r, path)
	} else if err == nil {
		err = c.answer(w, path)
	}
	if err != nil {
		p := &web.Problem{Message: err.Error(), Status: http.StatusInternalServerError}
		errors.As(err, &p)
		w.WriteHeader(p.Status)
		_ = json.NewEncoder(w).Encode(p)
	}
}

func (c *canned) note(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(c.folder, "requests"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, r.Method, r.URL, string(body))
	return err
}

// answer sends a file, if it is what the API sends. An answer that could not
// come from a scheduler would prove nothing.
func (c *canned) answer(w io.Writer, path string) error {
	if data, err := os.ReadFile(filepath.Join(c.folder, path+"-error.json")); err == nil {
		p := &web.Problem{}
		if err := decodeStrictly(data, p); err != nil {
			return err
		}
		return p
	}
	data, err := os.ReadFile(filepath.Join(c.folder, path+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return &web.Problem{Message: "no answer to " + path, Status: http.StatusNotFound}
	}
	if err != nil {
		return err
	}
	v := shape(path)
	if err := decodeStrictly(data, v); err != nil {
		return fmt.Errorf("%s.json: %w", path, err)
	}
	if waits, ok := v.(*[]web.Run); ok && strings.HasSuffix(path, "/wait") {
		n := c.waits[path] % len(*waits)
		c.waits[path]++
		v = (*waits)[n]
	}
	return json.NewEncoder(w).Encode(v)
}

// shape is what the API answers with at a path.
func shape(path string) any {
	parts := strings.Split(path, "/")
	switch last := parts[len(parts)-1]; {
	case path == "status":
		return new(web.Status)
	case path == "jobs":
		return new([]web.Job)
	case path == "hosts":
		return new([]web.Host)
	case path == "runs", last == "wait":
		return new([]web.Run)
	case last == "pause", last == "resume":
		return new(struct{})
	case len(parts) == 2:
		return new(web.RunView)
	}
	return new(web.Run)
}

func decodeStrictly(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}

func (c *canned) output(w io.Writer, r *http.Request, path string) error {
	name := filepath.Join(c.folder, path)
	if n := r.URL.Query().Get("attempt"); n != "" {
		name += "." + n
	}
	data, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	offset, err := strconv.Atoi(r.URL.Query().Get("offset"))
	if err != nil {
		return err
	}
	_, err = w.Write(data[min(offset, len(data)):])
	return err
}

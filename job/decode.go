package job

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Decode reads the jobs file's content; path is its name for messages, and
// relative paths in it are taken from path's folder. Paths that begin with ~/
// are left as they are. When the content is at fault the error is of type
// [Problems] and the file is nil.
func Decode(path string, data []byte) (*File, error) {
	return decode(path, filepath.Dir(path), data)
}

// Load reads the jobs file at path. Relative paths in it become absolute. The
// error is of type [Problems] when the content is at fault.
func Load(path string) (*File, error) {
	data, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("read jobs file: %w", err)
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("read jobs file %s: %w", path, err)
	}
	return decode(path, filepath.Dir(full), data)
}

// read returns at most one byte more than a jobs file may have.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w; \"solocron init\" writes one to start from", err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w; make it readable for the user that runs solocron", err)
	case err != nil:
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder; name the file in it", path)
	}
	return io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
}

// decoder holds what reading the file has given so far.
type decoder struct {
	file     string
	folder   string
	lines    []string
	root     *node
	document document
	problems Problems
}

// document is the file with those parts that end up in its jobs.
type document struct {
	File
	notify    Notify
	calendars map[string][]string
	defaults  Job
}

func decode(path, folder string, data []byte) (*File, error) {
	d := &decoder{file: path, folder: folder, document: builtin(path, folder)}
	if problem := checkText(data); problem != nil {
		d.lines = strings.Split(string(data[:min(len(data), MaxFileBytes)]), "\n")
		d.report(problem.at, problem.hint, "%s", problem.message)
		return nil, d.problems
	}
	content := strings.ReplaceAll(strings.TrimPrefix(string(data), "\ufeff"), "\r\n", "\n")
	d.lines = strings.Split(content, "\n")
	root, problems := parse(content)
	for _, p := range problems {
		d.report(p.at, p.hint, "%s", p.message)
	}
	if d.root = root; root != nil {
		fileShape.decode(d, root, &d.document)
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	f := d.document.File // alone: the decoder still holds every value's position
	pack(f.Jobs)
	return &f, nil
}

// pack moves the jobs' text into one string. Where it is, among all that reading
// the file takes and leaves, it would keep most of that memory from being returned.
func pack(jobs []Job) {
	texts := func(j *Job) []*string {
		return []*string{&j.Name, &j.When.Expr, &j.When.Zone, &j.Command, &j.Shell, &j.User, &j.Dir}
	}
	var all strings.Builder
	for i := range jobs {
		for _, t := range texts(&jobs[i]) {
			all.WriteString(*t)
		}
	}
	rest := all.String()
	for i := range jobs {
		for _, t := range texts(&jobs[i]) {
			*t, rest = rest[:len(*t)], rest[len(*t):]
		}
		jobs[i].When.Seed = jobs[i].Name
	}
}

// report adds a problem. A zero position stands for the whole file.
func (d *decoder) report(at position, hint, format string, args ...any) {
	p := Problem{File: d.file, Line: at.line, Column: at.column, Hint: hint, Message: fmt.Sprintf(format, args...)}
	if at.line > 0 && at.line <= len(d.lines) {
		p.Source = d.lines[at.line-1]
	}
	d.problems = append(d.problems, p)
}

// path resolves a path of the file against its folder.
func (d *decoder) path(p string) string {
	if filepath.IsAbs(p) || p == "~" || strings.HasPrefix(p, "~/") {
		return p
	}
	return filepath.Join(d.folder, p)
}

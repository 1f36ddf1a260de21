package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// user is the database's superuser; the socket's directory is its protection.
const user = "solocron"

// settings make a small server that starts fast. Commits are durable as usual,
// since that is what the tests are about.
var settings = []string{
	"listen_addresses=", "max_connections=200", "shared_buffers=32MB", "dynamic_shared_memory_type=posix",
	"full_page_writes=off", "max_wal_size=256MB", "log_min_messages=error", "timezone=Asia/Tokyo",
}

type server struct {
	bin     string // the directory of its programs
	dir     string // holds the data and the socket
	port    string // names the socket
	process *os.Process
	ended   chan error
}

// newServer makes and starts a server, and waits until it answers.
func newServer() (*server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "solocron-pg-")
	if err != nil {
		return nil, err
	}
	s := &server{bin: bin, dir: dir, port: "5432", ended: make(chan error, 1)}
	if err := errors.Join(s.initialize(), s.start()); err != nil {
		return nil, errors.Join(fmt.Errorf("start a PostgreSQL for the tests: %w", err), os.RemoveAll(dir))
	}
	return s, nil
}

// initialize makes the server's data.
func (s *server) initialize() error {
	cred, err := credential(s.dir)
	if err != nil {
		return err
	}
	initdb := exec.Command(filepath.Join(s.bin, "initdb"), "--pgdata="+s.data(), "--username="+user,
		"--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: cred}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

func (s *server) start() error {
	cred, err := credential(s.dir)
	if err != nil {
		return err
	}
	args := []string{"-D", s.data(), "-k", s.dir, "-p", s.port}
	for _, set := range settings {
		args = append(args, "-c", set)
	}
	return s.launch(exec.Command(filepath.Join(s.bin, "postgres"), args...), cred)
}

// launch starts the program and waits until it answers as PostgreSQL.
func (s *server) launch(program *exec.Cmd, cred *syscall.Credential) error {
	var log bytes.Buffer
	program.Dir, program.SysProcAttr, program.Stderr = s.dir, withParent(cred), &log
	begun := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel takes this thread for the parent
		err := program.Start()
		begun <- err
		if err == nil {
			s.ended <- program.Wait()
		}
	}()
	if err := <-begun; err != nil {
		return err
	}
	s.process = program.Process
	return s.await(&log)
}

// await returns when the server answers, or has ended.
func (s *server) await(log *bytes.Buffer) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		err := s.exec("SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case end := <-s.ended:
			return fmt.Errorf("ended: %w\n%s", end, log)
		case <-deadline:
			return errors.Join(fmt.Errorf("no answer within a minute: %w", err), s.stop())
		case <-tick.C:
		}
	}
}

// halt ends the server with its connections.
func (s *server) halt() error {
	if err := s.process.Signal(syscall.SIGINT); err != nil {
		return fmt.Errorf("stop the server in %s: %w", s.dir, err)
	}
	return <-s.ended
}

// stop is halt, and removes what the server kept.
func (s *server) stop() error { return errors.Join(s.halt(), os.RemoveAll(s.dir)) }

// programs is the directory of initdb and postgres: that of the initdb in PATH,
// or where Debian keeps the versions.
func programs() (string, error) {
	if found, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(found); err == nil {
			return filepath.Dir(real), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is sound
	if len(found) == 0 {
		return "", errors.New("no initdb in PATH or /usr/lib/postgresql: install PostgreSQL (Debian package postgresql)")
	}
	return filepath.Dir(slices.Max(found)), nil
}

// credential is whom the server runs as, nil for the present user. PostgreSQL
// refuses to run as root, which therefore hands the directory to another.
func credential(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := osuser.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2, os.Chown(dir, uid, gid)); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("root can't run PostgreSQL, and there is neither a user postgres nor nobody")
}

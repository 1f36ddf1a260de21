package mototest

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

// sitecustomize is run by the server's Python before moto.
//
//go:embed sitecustomize.py
var sitecustomize []byte

type server struct {
	dir      string // holds sitecustomize.py and the log
	endpoint string
	process  *os.Process
	ended    chan error
}

// newServer starts a server and waits until it listens.
func newServer() (*server, error) {
	program, err := exec.LookPath("moto_server")
	if err != nil {
		return nil, errors.New("no moto_server in PATH: as root, sh build/needs.sh moto_server installs it, " +
			"or python3 -m pip install 'moto[server]'")
	}
	dir, err := os.MkdirTemp("", "solocron-moto-")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, ended: make(chan error, 1)}
	if err := s.launch(program); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s for the tests: %w", program, err), os.RemoveAll(dir))
	}
	return s, nil
}

func (s *server) launch(program string) error {
	if err := os.WriteFile(filepath.Join(s.dir, "sitecustomize.py"), sitecustomize, 0o600); err != nil {
		return err
	}
	log, err := os.Create(s.log())
	if err != nil {
		return err
	}
	defer log.Close()                                           // the server has its own
	moto := exec.Command(program, "-H", "127.0.0.1", "-p", "0") // the log names the port
	moto.Dir, moto.Stdout, moto.Stderr, moto.SysProcAttr = s.dir, log, log, withParent()
	path := s.dir
	if inherited := os.Getenv("PYTHONPATH"); inherited != "" {
		path += string(os.PathListSeparator) + inherited
	}
	moto.Env = append(os.Environ(), "PYTHONPATH="+path, "PYTHONUNBUFFERED=1")
	begun := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel takes this thread for the parent
		err := moto.Start()
		begun <- err
		if err == nil {
			s.ended <- moto.Wait()
		}
	}()
	if err := <-begun; err != nil {
		return err
	}
	s.process = moto.Process
	return s.await()
}

func (s *server) log() string { return filepath.Join(s.dir, "log") }

var running = regexp.MustCompile(`Running on (http://127\.0\.0\.1:[0-9]+)`)

// await returns when the server listens, or has ended.
func (s *server) await() error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		log, err := os.ReadFile(s.log())
		if err != nil {
			return errors.Join(err, s.stop())
		}
		if m := running.FindSubmatch(log); m != nil {
			s.endpoint = string(m[1])
			return nil
		}
		select {
		case end := <-s.ended:
			return fmt.Errorf("ended: %w\n%s", end, log)
		case <-deadline:
			return errors.Join(fmt.Errorf("it does not listen after a minute\n%s", log), s.stop())
		case <-tick.C:
		}
	}
}

// stop ends the server and removes what it kept.
func (s *server) stop() error {
	if err := s.process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop moto_server at %s: %w", s.endpoint, err)
	}
	return errors.Join(<-s.ended, os.RemoveAll(s.dir))
}

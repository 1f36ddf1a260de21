package localexec_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/executor/guarded"
	"github.com/solocron/solocron/executor/localexec"
)

// A file system that hangs holds up the probe of its own host, and neither other hosts'
// starts nor the end of the executor.
func TestProbeOfAFileSystemThatHangs(t *testing.T) {
	hung, sound := host(t), host(t)
	pipe := filepath.Join(hung.RunDir, "probe") // to open it for writing waits for a reader
	if err := errors.Join(os.MkdirAll(hung.RunDir, 0o700), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	x := localexec.New(localexec.Options{Guarded: guarded.Options{AskWithin: 300 * time.Millisecond}})
	if got := x.Probe(t.Context(), hung); !strings.Contains(got.Refused, "no answer within") {
		t.Errorf("the one that hangs: %+v", got)
	}
	o := order(sound, 1, "true")
	if err := x.Start(t.Context(), sound, o, granted); err != nil {
		t.Error(err)
	}
	if _, err := x.Wait(t.Context(), sound, o.Attempt); err != nil {
		t.Error(err)
	}
	if err := x.Close(); err != nil {
		t.Error(err)
	}
	if reader, err := os.Open(pipe); err != nil || reader.Close() != nil {
		t.Error(err)
	}
	childless(t)
}

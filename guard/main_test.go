package guard_test

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// TestMain handles the signals that whoever starts the tests may have ignored,
// as nohup does: what is handled here is at its default in a guard, as it is
// below the daemon, which handles them too.
func TestMain(m *testing.M) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE)
	done := make(chan os.Signal, 1)
	signal.Notify(done, os.Interrupt, syscall.SIGTERM)
	go func() { <-done; os.Exit(130) }()
	os.Exit(m.Run())
}

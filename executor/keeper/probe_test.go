package keeper_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/solocron/solocron/executor/keeper"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
)

// The program answers a probe as the shell's guard does.
func TestProbe(t *testing.T) {
	nobody := 65534
	for name, c := range map[string]struct {
		do      func(h host) error
		minFree int64
		want    string
	}{
		"fit":          {func(host) error { return nil }, 1_000_000, "fit"},
		"no room":      {func(host) error { return nil }, 1 << 60, "unfit only"},
		"on tmpfs":     {func(h host) error { h.Tmpfs(""); return nil }, 0, "unfit run directory"},
		"read only":    {func(h host) error { h.Tmpfs(""); h.ReadOnly(); return nil }, 0, "unfit cannot write"},
		"in the way":   {func(h host) error { return os.WriteFile(filepath.Join(h.Root, "runs"), nil, 0o600) }, 0, "unfit cannot write"},
		"somebody's":   {func(h host) error { return own(filepath.Join(h.Root, "locks"), nobody) }, 0, "unfit /"},
		"over a link":  {func(h host) error { return os.Symlink(t.TempDir(), filepath.Join(h.Root, "runs")) }, 0, "unfit /"},
		"not its root": {func(h host) error { return own(h.Root, nobody) }, 0, "unfit /"},
	} {
		t.Run(name, func(t *testing.T) {
			guardtest.NeedRoot(t)
			h := newHost(t)
			if err := errors.Join(os.MkdirAll(h.Root, 0o700), c.do(h)); err != nil {
				t.Fatal(err)
			}
			want := figures.ReplaceAllString(h.Ask(guard.VerbProbe, "", strconv.FormatInt(c.minFree, 10)), "$1$2 …")
			got := figures.ReplaceAllString(keeper.Probe(guard.Environ("root", h.Home, ""), h.Root, c.minFree), "$1$2 …")
			if got != want || !strings.Contains(got, "\n"+c.want) {
				t.Errorf("%q\nthe shell: %q", got, want)
			}
		})
	}
}

// figures are what may differ: times, sizes, and the words of the system for an error.
var figures = regexp.MustCompile(`(?m)^(time|free) .*|((?:unfit only|cannot write run directories in \S+)) (?:\d+|\([^)]*\))`)

// own makes a folder of the user's.
func own(dir string, uid int) error {
	return errors.Join(os.MkdirAll(dir, 0o700), os.Chown(dir, uid, uid))
}

package keeper

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
)

// A mistake ends the attempt that it was made in, with a word that is true, and
// nothing else.
func TestMistakeEndsOneAttempt(t *testing.T) {
	for name, c := range map[string]struct {
		k   *keeper
		end string
	}{
		"before go": {&keeper{kept: map[*attempt]bool{}}, "end refused\n"}, // no map to gather in
		"after go": {&keeper{kept: map[*attempt]bool{}, gathering: map[string]*batch{}}, // none for children
			"end gone\n"},
	} {
		t.Run(name, func(t *testing.T) {
			self, _ := look(os.Getpid())
			c.k.signed = sign(bootID(), self)
			o := guard.Order{
				Attempt: guard.Attempt{Run: "job@20261122T023000Z", N: 1, Kept: t.TempDir()},
				Token:   "t", Job: "job", Command: "exec sleep 300", Timeout: time.Minute,
			}
			wire, err := o.Encode(guard.Link{})
			if err != nil {
				t.Fatal(err)
			}
			ours, theirs, err := socketpair()
			if err != nil {
				t.Fatal(err)
			}
			defer ours.Close()
			ours.Write(append(wire, o.Go(time.Now())...))
			c.k.attend(theirs)
			result, _ := os.ReadFile(filepath.Join(guard.RunDir(o.Kept, o.Attempt), "result"))
			if !bytes.HasPrefix(result, []byte(c.end)) || !strings.Contains(string(result), "reason the guard failed: ") {
				t.Errorf("%s", result)
			}
			if len(c.k.kept) > 0 {
				t.Error("the attempt is still kept")
			}
			for _, p := range processes() {
				if p.live() && p.carries("SOLOCRON_MARK="+guard.RunDir(o.Kept, o.Attempt)+"/") {
					t.Errorf("left behind: %+v", p)
				}
			}
			var status syscall.WaitStatus
			for pid := 1; pid > 0; { // what the broken keeper could not reap
				pid, _ = syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
			}
		})
	}
}

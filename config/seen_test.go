package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
)

// However a ledger is written, it is remembered as one.
func TestPlace(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", dir)
	for name, both := range map[string]struct {
		a, b string
		same bool
	}{
		"user and password":      {"postgres://me:secret@h:1/cron", "postgres://you@h:1/cron?sslmode=disable", true},
		"another scheme":         {"postgres://h/cron", "postgresql://h/cron", true},
		"another database":       {"postgres://h/cron", "postgres://h/other", false},
		"another server":         {"postgres:///cron?host=/a", "postgres:///cron?host=/b", false},
		"a link to the folder":   {dir + "/l.db", link + "/l.db", true},
		"the home directory":     {dir + "/l.db", "~/l.db", true},
		"another file":           {dir + "/l.db", dir + "/m.db", false},
		"a folder yet to be":     {dir + "/new/l.db", dir + "/new/../new/l.db", true},
		"another table":          {"dynamodb://eu-west-1/a", "dynamodb://eu-west-1/b", false},
		"the same table, indeed": {"dynamodb://eu-west-1/a", "dynamodb://eu-west-1/a", true},
	} {
		a, errA := Seen(&job.File{Ledger: both.a})
		b, errB := Seen(&job.File{Ledger: both.b})
		if errA != nil || errB != nil || (a == b) != both.same {
			t.Errorf("%s: %v, %v; %v, %v", name, a, errA, b, errB)
		}
	}
}

func TestGone(t *testing.T) {
	f := &job.File{Ledger: filepath.Join(t.TempDir(), "ledger.db")}
	seen := ledger.Mark{Ledger: "x", Beats: 7}
	if err := Gone(f, ledger.Mark{}); err != nil {
		t.Errorf("one that was never seen: %v", err)
	}
	if err := Gone(f, seen); !errors.Is(err, ledger.ErrWentBack) {
		t.Errorf("missing: %v", err)
	}
	for size, gone := range map[int]bool{0: true, 1: false} {
		if err := os.WriteFile(f.Ledger, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Gone(f, seen); (err != nil) != gone {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

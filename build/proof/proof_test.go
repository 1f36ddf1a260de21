package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestFigures(t *testing.T) {
	t.Parallel()
	log := "a: 1200 seen, 0 wrong\nb: 34000 seen, 2 wrong\n"
	got, err := said("%s, %s, %s, %s", sum(`(\d+) seen`), last(`(\d+) seen`), count(`seen`), sum(`(\d+) wrong`))(log)
	if want := "35,200, 34,000, 2, 2"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for name, f := range map[string]figure{"sum": sum(`(\d+) heard`), "last": last(`(\d+) heard`), "count": count("heard")} {
		if _, err := said("%s", f)(log); !errors.Is(err, errSilent) {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
}

// A step fails with its command, and when that says nothing.
func TestSteps(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ script, want, problem string }{
		"good":   {"echo $N seen", "7", ""},
		"fails":  {"echo 7 seen; exit 3", "", "exit status 3"},
		"silent": {"true", "", errSilent.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := step{name, []string{"N=7"}, []string{"sh", "-c", tt.script}, said("%s", last(`(\d+) seen`))}
			got, err := s.run(filepath.Join(t.TempDir(), "log"))
			if got != tt.want || (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

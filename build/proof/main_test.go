package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Steps that did not run keep their rows.
func TestWrite(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "proof.md")
	if err := os.WriteFile(file, []byte("head\n<!-- table -->\n<!-- end -->\ntail\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, rows := range []map[string]string{
		{"model": "| model | old | 1s | a |\n", "years": "| years | kept | 1s | a |\n"},
		{"model": "| model | new | 2s | b |\n"},
	} {
		if err := write(file, rows); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := "|---|---|---|---|\n| model | new | 2s | b |\n| years | kept | 1s | a |\n\nOn "
	if !strings.Contains(string(text), want) || !strings.HasSuffix(string(text), "<!-- end -->\ntail\n") {
		t.Errorf("%s", text)
	}
}

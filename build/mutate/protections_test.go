package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Every protection names code that is there.
func TestProtectionsAreThere(t *testing.T) {
	for _, p := range protections {
		whole, err := os.ReadFile(filepath.Join("../..", filepath.FromSlash(p.file)))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(whole, []byte(p.old)); n != 1 {
			t.Errorf("%s: %s has %d times %q, want it once", p.name, p.file, n, p.old)
		}
	}
}

package main

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// The same sources make the same bytes, wherever they are put and whatever the
// one who builds has set for himself.
func TestFault107SameEveryTime(t *testing.T) {
	t.Chdir("../..")
	first := build(t)
	t.Chdir(sources(t))
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("GOFLAGS", "-buildvcs=true -ldflags=-X=main.release=other")
	t.Setenv("TZ", "Asia/Tokyo")
	if !bytes.Equal(first, build(t)) {
		t.Error("built twice, the function has two contents")
	}
	z, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 1 || z.File[0].Name != "bootstrap" || z.File[0].Mode() != 0o755 {
		t.Errorf("%d files, the first %s with mode %s", len(z.File), z.File[0].Name, z.File[0].Mode())
	}
}

// sources copies what the function is built from to another folder.
func sources(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == ".git" || e.Name() == "testdata" || e.Name() == "bin"):
			return fs.SkipDir
		case e.IsDir():
			return os.MkdirAll(filepath.Join(to, path), 0o755)
		case !e.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// build makes the function for this machine's processor, for which other tests need
// most of its packages too.
func build(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "function.zip")
	if err := write(path, "v1.2.3", runtime.GOARCH); err != nil {
		t.Fatal(err)
	}
	zipped, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return zipped
}

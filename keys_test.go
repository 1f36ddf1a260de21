package solocron_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// keys are what secret keys look like: PEM with a body, and an access key of AWS
// with a secret in sight of it.
var keys = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s:,-]{40}|\bA(?:K|S)IA[A-Z2-7]{16}\b[^\n]{0,40}\n?[^\n]{0,60}[A-Za-z0-9/+]{40}`)

// No key is in the tree, and so in nothing that is built of it: tests that need
// one make it.
func TestFault110NoKeys(t *testing.T) {
	for _, sample := range []string{
		"-----BEGIN OPENSSH PRIVATE KEY-----\n" + strings.Repeat("b3BlbnNzaC1r", 5), // what it must find
		"AKIA" + strings.Repeat("A", 16) + "\nsecret = " + strings.Repeat("x/", 20),
	} {
		if !keys.MatchString(sample) {
			t.Errorf("%q is not taken for a key", sample)
		}
	}
	files := 0
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (path == ".git" || path == "bin" || e.Name() == "node_modules") {
			return fs.SkipDir
		}
		if !e.Type().IsRegular() {
			return nil
		}
		files++
		b, err := os.ReadFile(path)
		if at := keys.FindIndex(b); at != nil {
			t.Errorf("%s: a key at byte %d", path, at[0])
		}
		if name := strings.ToLower(e.Name()); strings.HasPrefix(name, "id_") || strings.HasSuffix(name, ".pem") || strings.HasSuffix(name, ".p12") || strings.HasSuffix(name, ".key") {
			t.Errorf("%s: is it a key?", path)
		}
		return err
	})
	if err != nil || files < 500 {
		t.Errorf("%d files, %v", files, err)
	}
}

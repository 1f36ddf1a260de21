package solocron_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// A bubble that the race detector does not stand ends its test process once in a
// thousand runs; bubbletest has those that it stands.
func TestBubbles(t *testing.T) {
	t.Parallel()
	for _, file := range goFiles(t) {
		if strings.HasPrefix(file, "bubbletest/") || file == "bubbles_test.go" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("synctest.Test(")) {
			t.Errorf("%s: use bubbletest.Test for synctest.Test", file)
		}
	}
}

package job_test

import (
	"encoding/json"
	"testing"

	"github.com/solocron/solocron/job"
)

// Settings that are taken name all that a scheduler needs, and are the same
// after being written and read again.
func FuzzReadSettings(f *testing.F) {
	f.Add(`{"table":"t","ec2":{"Region":"eu-west-1","Document":"d","ClaimWithin":60000000000},"retention":1}`)
	f.Add(`{"table":"t","topics":{"chat":{}},"settled":-1}`)
	f.Add(`{"tabel":"t"}`)
	f.Add(`[]`)
	f.Add(`{`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := job.ReadSettings(text)
		if err != nil {
			return
		}
		if s.Table == "" || s.EC2.Region == "" || s.EC2.Document == "" || s.EC2.ClaimWithin <= 0 {
			t.Fatalf("%q: taken as %+v", text, s)
		}
		written, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := job.ReadSettings(string(written))
		if err != nil {
			t.Fatalf("%q: written as %s: %v", text, written, err)
		}
		if rewritten, err := json.Marshal(again); err != nil || string(rewritten) != string(written) {
			t.Errorf("%q: written as %s, read and written as %s (%v)", text, written, rewritten, err)
		}
	})
}

package config

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/job"
)

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("SOLOCRON_TEST_TOKEN", "from the environment")
	for name, text := range map[string]string{"token": "from a file\n", "crlf": "windows\r\n", "nul": "a\x00b", "huge": strings.Repeat("x", maxSecret+1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for ref, want := range map[string]string{
		"env:SOLOCRON_TEST_TOKEN":  "from the environment",
		"file:" + dir + "/token":   "from a file",
		"file:~/token":             "from a file",
		"file:" + dir + "/crlf":    "windows",
		"env:SOLOCRON_TEST_NOBODY": "!SOLOCRON_TEST_NOBODY",
		"file:" + dir + "/nowhere": "!no such file",
		"file:" + dir + "/nul":     "!NUL",
		"file:" + dir + "/huge":    "!larger than",
		"the secret itself":        "!want env:NAME or file:PATH",
	} {
		got, err := Secret(ref)
		if problem, bad := strings.CutPrefix(want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), problem) {
				t.Errorf("Secret(%q) = %q, %v; want an error with %q", ref, got, err, problem)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("Secret(%q) = %q, %v; want %q", ref, got, err, want)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	f := &job.File{Path: "jobs.yaml", Ledger: filepath.Join(dir, "new", "ledger.db"), Retention: 1}
	f.Fleet.Hosts = []fleet.Host{{ID: "b", Address: "local"}, {ID: "a", Address: "ssh://web-1", KnownHosts: "~/known"}}
	t.Setenv("HOME", "/home/ann")
	p, err := Open(t.Context(), f, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := p.Hosts(t.Context())
	if err != nil || len(hosts) != 2 || hosts[0].ID != "a" || hosts[0].KnownHosts != "/home/ann/known" {
		t.Errorf("hosts %+v, %v", hosts, err)
	}
	if !p.Sole {
		t.Error("a SQLite ledger admits more than one scheduler")
	}
	f.Fleet.Hosts = f.Fleet.Hosts[:1]
	if err := p.SetFleet(f); err != nil {
		t.Fatal(err)
	}
	if hosts, _ = p.Hosts(t.Context()); len(hosts) != 1 {
		t.Errorf("after another file: %+v", hosts)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		filepath.Join(file, "ledger.db"):                          "name a folder",
		"postgres://ann:hunter2@127.0.0.1:1/none?sslmode=disable": "127.0.0.1",
	} {
		p, err := Open(t.Context(), &job.File{Ledger: address}, slog.New(slog.DiscardHandler))
		if err == nil {
			_ = p.Close()
			t.Errorf("%s was opened", address)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v; want %q in it, and no password", address, err, want)
		}
	}
}

func TestReceivers(t *testing.T) {
	t.Setenv("SOLOCRON_TEST_HOOK", "http://127.0.0.1:1/hook/token-of-the-hook")
	t.Setenv("SOLOCRON_TEST_CHAT", "ntfy://ntfy.example.com/topic")
	f := &job.File{Targets: map[string]job.Target{
		"hook": {Webhook: &job.Webhook{URL: "env:SOLOCRON_TEST_HOOK", Headers: map[string]string{"X-Plain": "as it is"}}},
		"mail": {Mail: &job.Mail{Server: "smtp.example.com:587", From: "a@example.com", To: []string{"b@example.com"}}},
		"chat": {Chat: &job.Chat{URL: "env:SOLOCRON_TEST_CHAT"}},
	}}
	all, err := Receivers(t.Context(), f)
	if err != nil || len(all) != 3 {
		t.Fatalf("%d receivers, %v", len(all), err)
	}
	f.Targets["chat"] = job.Target{Chat: &job.Chat{URL: "env:SOLOCRON_TEST_NOBODY"}}
	if _, err := Receivers(t.Context(), f); err == nil || !strings.Contains(err.Error(), "notify target chat: env:SOLOCRON_TEST_NOBODY") {
		t.Errorf("an unset variable: %v", err)
	}
	if _, err := Receivers(t.Context(), &job.File{Targets: map[string]job.Target{"x": {}}}); err == nil {
		t.Error("a target without receiver was opened")
	}
}

package main

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/solocron/solocron/stack/function"
)

// The stack is for the architecture of the code, which is written as it is.
func TestTemplateWithCode(t *testing.T) {
	dir := t.TempDir()
	jobs, code, out := filepath.Join(dir, "jobs.yaml"), filepath.Join(dir, "code.zip"), filepath.Join(dir, "out.zip")
	put(t, jobs, []byte("ledger: dynamodb://eu-central-1/cron\nfleet: { region: eu-central-1, tags: { cron: \"true\" } }\njobs:\n  nightly: { schedule: \"30 2 * * *\", command: echo }\n"))
	put(t, code, intelZip(t))
	want, err := function.Open(code)
	if err != nil {
		t.Fatal(err)
	}
	cmd := newRootCommand()
	var stdout, stderr bytes.Buffer
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SetArgs([]string{"template", "--file", jobs, "--code", code, "--zip", out})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stdout.String(), `"Architectures": ["x86_64"]`) {
		t.Error("the stack is not for x86_64")
	}
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, want.Zip) {
		t.Errorf("the code was not written as it is (%v)", err)
	}
	if !strings.Contains(stderr.String(), "x86_64") || !strings.Contains(stderr.String(), want.Key()) {
		t.Errorf("said %q", stderr.String())
	}
}

func put(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// intelZip is code for x86_64, as far as one looks.
func intelZip(t *testing.T) []byte {
	t.Helper()
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT), Ehsize: 64}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	header := &zip.FileHeader{Name: "bootstrap"}
	header.SetMode(0o755)
	w, err := z.CreateHeader(header)
	if err == nil {
		err = binary.Write(w, binary.LittleEndian, h)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

package function

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// program is the header of an executable, which is all that is looked at.
func program(machine elf.Machine, kind elf.Type) []byte {
	var b bytes.Buffer
	h := elf.Header64{Type: uint16(kind), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT), Ehsize: 64}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	_ = binary.Write(&b, binary.LittleEndian, h)
	return b.Bytes()
}

type entry struct {
	name string
	mode fs.FileMode
	data []byte
}

func zipped(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(e.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// claiming is a zip that says of its content how long it is.
func claiming(t testing.TB, unzipped uint64) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if _, err := z.CreateRaw(&zip.FileHeader{Name: "bootstrap", UncompressedSize64: unzipped}); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOpen(t *testing.T) {
	t.Parallel()
	arm, intel := program(elf.EM_AARCH64, elf.ET_EXEC), program(elf.EM_X86_64, elf.ET_DYN)
	tests := map[string]struct {
		zip   []byte
		want  string // architecture
		wrong string // in the error
	}{
		"arm64":                  {zip: zipped(t, entry{"bootstrap", 0o755, arm}), want: "arm64"},
		"x86_64, and more":       {zip: zipped(t, entry{"README", 0o644, nil}, entry{"bootstrap", 0o755, intel}), want: "x86_64"},
		"no zip":                 {zip: arm, wrong: "not a valid zip"},
		"nothing":                {wrong: "not a valid zip"},
		"an empty zip":           {zip: zipped(t), wrong: "no program bootstrap"},
		"in a folder":            {zip: zipped(t, entry{"bin/bootstrap", 0o755, arm}), wrong: "no program bootstrap"},
		"a folder":               {zip: zipped(t, entry{"bootstrap/", fs.ModeDir | 0o755, nil}), wrong: "mode"},
		"not executable":         {zip: zipped(t, entry{"bootstrap", 0o644, arm}), wrong: "chmod 755"},
		"a script":               {zip: zipped(t, entry{"bootstrap", 0o755, []byte("#!/bin/sh\n")}), wrong: "no program for Linux"},
		"an object file":         {zip: zipped(t, entry{"bootstrap", 0o755, program(elf.EM_AARCH64, elf.ET_REL)}), wrong: "ET_REL"},
		"another machine":        {zip: zipped(t, entry{"bootstrap", 0o755, program(elf.EM_RISCV, elf.ET_EXEC)}), wrong: "EM_RISCV"},
		"too long":               {zip: make([]byte, maxZip+1), wrong: "at most 50 MB"},
		"too long when unzipped": {zip: claiming(t, maxUnzipped+1), wrong: "at most 250 MB"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "code.zip")
			if err := os.WriteFile(path, test.zip, 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := Open(path)
			if test.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), test.wrong) || !strings.Contains(err.Error(), path) {
					t.Errorf("error %v, want %q and the file in it", err, test.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(test.zip)
			if c.Architecture != test.want || c.Hash != hex.EncodeToString(sum[:]) || !bytes.Equal(c.Zip, test.zip) {
				t.Errorf("%s, hash %s, %d bytes", c.Architecture, c.Hash, len(c.Zip))
			}
			if want := "solocron/" + c.Hash + ".zip"; c.Key() != want {
				t.Errorf("key %s, want %s", c.Key(), want)
			}
		})
	}
}

func TestOpenNothing(t *testing.T) {
	t.Parallel()
	if _, err := Open(filepath.Join(t.TempDir(), "none.zip")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// Built with the function or without it, a program says which.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	c, err := Embedded()
	if _, missing := embedded.Open("embedded/function.zip"); missing != nil {
		if !errors.Is(err, ErrNone) {
			t.Errorf("error %v, want %v", err, ErrNone)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if c.Architecture != "arm64" {
		t.Errorf("the function inside is for %s", c.Architecture)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(zipped(f, entry{"bootstrap", 0o755, program(elf.EM_AARCH64, elf.ET_EXEC)}))
	f.Add(zipped(f, entry{"bootstrap", 0o755, []byte("\x7fELF")}))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := read(data)
		if known := c.Architecture == "arm64" || c.Architecture == "x86_64"; known != (err == nil) {
			t.Errorf("architecture %q, error %v", c.Architecture, err)
		}
	})
}

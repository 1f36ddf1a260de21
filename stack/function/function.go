// Package function is the code of the Lambda function: a zip with the program
// bootstrap in it.
//
// A program that was built by "make build" holds it. One that was not says so
// when it is asked, and everything else of it works.
package function

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Code is what the function runs.
type Code struct {
	Zip          []byte
	Hash         string // of the zip: SHA-256 in hex
	Architecture string // as Lambda calls it: arm64 or x86_64
}

// What Lambda takes.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	maxZip      = 50 << 20
	maxUnzipped = 250 << 20
)

// bootstrap is the program that Lambda starts, in the zip's root.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-provided.html
const bootstrap = "bootstrap"

// ErrNone says that this program was built without the function.
var ErrNone = errors.New("this build has no function inside: make build, or --code FILE")

// The folder has a file of its own, since there has to be something to embed.
//
//go:embed embedded
var embedded embed.FS

// Embedded is the code that this program was built with. Its error is [ErrNone]
// if there is none.
func Embedded() (Code, error) {
	data, err := embedded.ReadFile("embedded/function.zip")
	if errors.Is(err, fs.ErrNotExist) {
		return Code{}, ErrNone
	}
	if err != nil {
		return Code{}, err
	}
	c, err := read(data)
	if err != nil {
		return Code{}, fmt.Errorf("the function inside this program: %w", err)
	}
	return c, nil
}

// Open reads the code from a file.
func Open(path string) (Code, error) {
	file, err := os.Open(path)
	if err != nil {
		return Code{}, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxZip+1))
	if err != nil {
		return Code{}, err
	}
	c, err := read(data)
	if err != nil {
		return Code{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Key is where the code belongs in its bucket. Other code has another key, by
// which CloudFormation sees that there is something to do.
func (c Code) Key() string { return "solocron/" + c.Hash + ".zip" }

// read looks into a zip.
func read(data []byte) (Code, error) {
	if len(data) > maxZip {
		return Code{}, fmt.Errorf("a zip for Lambda has at most %d MB", maxZip>>20)
	}
	files, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return Code{}, err
	}
	var unzipped uint64
	for _, f := range files.File {
		unzipped += min(f.UncompressedSize64, maxUnzipped+1)
	}
	if unzipped > maxUnzipped {
		return Code{}, fmt.Errorf("unzipped, Lambda takes at most %d MB", maxUnzipped>>20)
	}
	architecture, err := examine(files)
	if err != nil {
		return Code{}, err
	}
	sum := sha256.Sum256(data)
	return Code{data, hex.EncodeToString(sum[:]), architecture}, nil
}

// examine finds out what the zip's program was built for.
func examine(files *zip.Reader) (architecture string, err error) {
	file, err := files.Open(bootstrap)
	if err != nil {
		return "", fmt.Errorf("there is no program %s in its root", bootstrap)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 != 0o111 {
		return "", fmt.Errorf("%s has the mode %s, and Lambda has to execute it: chmod 755 before it is zipped", bootstrap, info.Mode())
	}
	program, err := io.ReadAll(io.LimitReader(file, maxUnzipped))
	if err != nil {
		return "", fmt.Errorf("%s: %w", bootstrap, err)
	}
	return architectureOf(program)
}

func architectureOf(program []byte) (string, error) {
	header, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return "", fmt.Errorf("%s is no program for Linux: %w", bootstrap, err)
	}
	defer func() { _ = header.Close() }()
	if header.Type != elf.ET_EXEC && header.Type != elf.ET_DYN {
		return "", fmt.Errorf("%s is no program but %s", bootstrap, header.Type)
	}
	switch header.Machine {
	case elf.EM_AARCH64:
		return "arm64", nil
	case elf.EM_X86_64:
		return "x86_64", nil
	}
	return "", fmt.Errorf("%s is for %s, and Lambda has arm64 and x86_64", bootstrap, header.Machine)
}

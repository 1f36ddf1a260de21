// Command function builds the Lambda function for "make build": the program
// cmd/bootstrap, alone in a zip.
//
//	go run ./build/function [-release VERSION] [-arch GOARCH] FILE
//
// The zip depends on the sources, the release and the Go toolchain alone: it is
// the same on every machine and at every time. Its name in AWS is its hash, so a
// stack is left alone until there is something new in it.
package main

import (
	"archive/zip"
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

func main() {
	release := flag.String("release", "", "version to tell")
	arch := flag.String("arch", "arm64", "GOARCH of the program")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: go run ./build/function [-release VERSION] [-arch GOARCH] FILE")
		os.Exit(2)
	}
	if err := write(flag.Arg(0), *release, *arch); err != nil {
		fmt.Fprintln(os.Stderr, "function:", err)
		os.Exit(1)
	}
}

// write puts the zip into a file, which is never there in part.
func write(path, release, arch string) error {
	dir, err := os.MkdirTemp("", "function-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "bootstrap")
	if err := compile(program, release, arch); err != nil {
		return err
	}
	zipped, err := pack(program)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", zipped, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// compile builds the program as Lambda's documentation says. Neither the
// checkout's state nor its path goes into it.
// https://docs.aws.amazon.com/lambda/latest/dg/golang-package.html
func compile(program, release, arch string) error {
	flags := "-s -w -buildid="
	if release != "" {
		flags += " -X main.release=" + release
	}
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", flags, "-o", program, "./cmd/bootstrap")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOARM64=v8.0", "GOAMD64=v1", "GOFLAGS=")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("go build ./cmd/bootstrap: %w", err)
	}
	return nil
}

// pack puts the program into a zip with the mode that Lambda needs, and with the
// first time that a zip can name.
func pack(program string) ([]byte, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)}
	header.SetMode(0o755)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(header)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

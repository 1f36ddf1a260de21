package awsloop

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// unpacked is a function's zip file, unpacked.
type unpacked struct {
	dir    string
	size   int64
	sha256 string // in base64, as Lambda tells it
}

// unzippedLimit is Lambda's, in bytes.
const unzippedLimit = 250 << 20

func invalidParameter(format string, args ...any) error {
	return refusal("InvalidParameterValueException", fmt.Sprintf(format, args...))
}

// fetch gets a zip file from where the request says, and unpacks it into a
// directory of its own.
func (l *Lambda) fetch(ctx context.Context, name string, from types.FunctionCode) (unpacked, error) {
	packed := from.ZipFile
	switch {
	case from.ImageUri != nil || from.SourceKMSKeyArn != nil:
		return unpacked{}, invalidParameter("Code: images and keys are not known here")
	case packed == nil && from.S3Bucket == nil:
		return unpacked{}, invalidParameter("Please provide a source for function code.")
	case packed == nil:
		var err error
		if packed, err = l.download(ctx, from); err != nil {
			return unpacked{}, err
		}
	}
	parent := filepath.Join(l.server.options.Dir, "functions")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return unpacked{}, err
	}
	dir, err := os.MkdirTemp(parent, name+"-")
	if err != nil {
		return unpacked{}, err
	}
	if err := unzip(packed, dir); err != nil {
		os.RemoveAll(dir)
		return unpacked{}, invalidParameter("Could not unzip uploaded file. Please check your file, then try to upload again. (%v)", err)
	}
	sum := sha256.Sum256(packed)
	return unpacked{dir, int64(len(packed)), base64.StdEncoding.EncodeToString(sum[:])}, nil
}

func (l *Lambda) download(ctx context.Context, from types.FunctionCode) ([]byte, error) {
	out, err := l.server.inside().s3.GetObject(ctx, &s3.GetObjectInput{Bucket: from.S3Bucket, Key: from.S3Key, VersionId: from.S3ObjectVersion})
	if err != nil {
		var known smithy.APIError
		if ok := asAPI(err, &known); ok {
			return nil, invalidParameter("Error occurred while GetObject. S3 Error Code: %s. S3 Error Message: %s", known.ErrorCode(), known.ErrorMessage())
		}
		return nil, fmt.Errorf("s3://%s/%s: %w", aws.ToString(from.S3Bucket), aws.ToString(from.S3Key), err)
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}

// unzip keeps the modes: what isn't executable in the file fails to start.
func unzip(packed []byte, dir string) error {
	archive, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return err
	}
	var total uint64
	for _, f := range archive.File {
		total += f.UncompressedSize64
		if total > unzippedLimit {
			return fmt.Errorf("unzipped it is larger than %d bytes", unzippedLimit)
		}
		if f.Mode().IsRegular() {
			if err := extract(f, dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// extract writes one file. No process is started meanwhile: it would inherit the
// open file for a moment, and a file open for writing can't be executed.
func extract(f *zip.File, dir string) error {
	if !filepath.IsLocal(f.Name) {
		return fmt.Errorf("%s: not below the root", f.Name)
	}
	content, err := f.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	all, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, f.Name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, all, f.Mode().Perm())
}

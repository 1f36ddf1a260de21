package awsloop

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// documentLimit is the size that neither a document nor, by the worse reading
// of the documentation, what a command makes of it may exceed.
const documentLimit = 64 << 10

// document is a Command document with all its versions, from 1.
type document struct {
	name, owner, target string
	preset              int // the default version
	versions            []version
	tags                map[string]string
}

type version struct {
	number       int
	text, format string
	content      *content
	created      time.Time
}

func (d *document) latest() version { return d.versions[len(d.versions)-1] }

// version is the one that is asked for; "" is the default version.
func (d *document) version(asked *string) (version, error) {
	switch v := aws.ToString(asked); v {
	case "", "$DEFAULT":
		return d.versions[d.preset-1], nil
	case "$LATEST":
		return d.latest(), nil
	default:
		if n, err := strconv.Atoi(v); err == nil && n >= 1 && n <= len(d.versions) {
			return d.versions[n-1], nil
		}
		return version{}, &types.InvalidDocumentVersion{Message: asked}
	}
}

func newVersion(text *string, format types.DocumentFormat) (version, error) {
	if format == "" {
		format = types.DocumentFormatJson
	}
	if len(aws.ToString(text)) > documentLimit {
		return version{}, &types.MaxDocumentSizeExceeded{Message: aws.String("The document is larger than 64 KB.")}
	}
	c, err := parseContent(aws.ToString(text), string(format))
	if err != nil {
		return version{}, &types.InvalidDocumentContent{Message: aws.String(err.Error())}
	}
	return version{text: *text, format: string(format), content: c, created: time.Now()}, nil
}

// describe is the document as of the version. m.mu is held.
func (d *document) describe(v version) *types.DocumentDescription {
	out := &types.DocumentDescription{
		Name: &d.name, Owner: &d.owner, CreatedDate: &v.created,
		Status:          types.DocumentStatusActive,
		DocumentVersion: aws.String(strconv.Itoa(v.number)),
		DefaultVersion:  aws.String(strconv.Itoa(d.preset)),
		LatestVersion:   aws.String(strconv.Itoa(d.latest().number)),
		PlatformTypes:   []types.PlatformType{types.PlatformTypeLinux, types.PlatformTypeMacos},
		DocumentType:    types.DocumentTypeCommand,
		DocumentFormat:  types.DocumentFormat(v.format),
		SchemaVersion:   &v.content.SchemaVersion,
		HashType:        types.DocumentHashTypeSha256,
		Hash:            aws.String(v.hash()),
		Tags:            tagList(d.tags),
	}
	if v.content.Description != "" {
		out.Description = &v.content.Description
	}
	if d.target != "" {
		out.TargetType = &d.target
	}
	for _, name := range slices.Sorted(maps.Keys(v.content.Parameters)) {
		p := v.content.Parameters[name]
		described := types.DocumentParameter{Name: &name, Type: documentType(p.Type), Description: &p.Description}
		if p.Default != nil {
			described.DefaultValue = aws.String(fmt.Sprint(p.Default))
		}
		out.Parameters = append(out.Parameters, described)
	}
	return out
}

// documentType is the type as the API tells it, which knows two alone.
func documentType(declared string) types.DocumentParameterType {
	if declared == "StringList" {
		return types.DocumentParameterTypeStringList
	}
	return types.DocumentParameterTypeString
}

func (v version) hash() string {
	sum := sha256.Sum256([]byte(v.text))
	return hex.EncodeToString(sum[:])
}

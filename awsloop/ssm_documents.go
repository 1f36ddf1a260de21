package awsloop

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

func (m *systemsManager) addBuiltin(name, text string) {
	c, err := parseContent(text, "JSON")
	if err != nil {
		panic(err) // a mistake in this file
	}
	m.documents[name] = &document{
		name: name, owner: "Amazon", preset: 1,
		versions: []version{{number: 1, text: text, format: "JSON", content: c, created: time.Unix(1451606400, 0)}},
	}
}

// document finds one by name or ARN. AWS's own have an ARN without an account;
// an account's own document isn't found under such a one. m.mu is held.
func (m *systemsManager) document(asked *string) (*document, error) {
	name := aws.ToString(asked)
	if parts := strings.Split(name, ":"); len(parts) == 6 {
		name = strings.TrimPrefix(parts[5], "document/")
		if d := m.documents[name]; d != nil && (d.owner == "Amazon") != (parts[4] == "") {
			return nil, &types.InvalidDocument{Message: aws.String("Document with ARN " + *asked + " does not exist.")}
		}
	}
	d := m.documents[name]
	if d == nil {
		return nil, &types.InvalidDocument{Message: aws.String("Document with name " + name + " does not exist.")}
	}
	return d, nil
}

// version finds a document and one of its versions. m.mu is held.
func (m *systemsManager) version(name, asked *string) (*document, version, error) {
	d, err := m.document(name)
	if err != nil {
		return nil, version{}, err
	}
	v, err := d.version(asked)
	return d, v, err
}

var (
	documentName = regexp.MustCompile(`^[a-zA-Z0-9_\-.]{3,128}$`)
	reservedName = regexp.MustCompile(`(?i)^(aws|amazon|amzn)`)
)

func (m *systemsManager) createDocument(_ context.Context, in *ssm.CreateDocumentInput) (*ssm.CreateDocumentOutput, error) {
	name := aws.ToString(in.Name)
	switch {
	case !documentName.MatchString(name):
		return nil, invalid("name", name, "must satisfy regular expression pattern: "+documentName.String())
	case reservedName.MatchString(name):
		return nil, invalid("name", name, "must not begin with a reserved prefix")
	case in.DocumentType != "" && in.DocumentType != types.DocumentTypeCommand:
		return nil, invalid("documentType", in.DocumentType, "must be Command for awsloop")
	}
	v, err := newVersion(in.Content, in.DocumentFormat)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.documents[name] != nil {
		return nil, &types.DocumentAlreadyExists{Message: aws.String("Document with name " + name + " already exists.")}
	}
	v.number = 1
	d := &document{
		name: name, owner: m.server.options.Account, target: aws.ToString(in.TargetType),
		preset: 1, versions: []version{v}, tags: map[string]string{},
	}
	setTags(d.tags, in.Tags)
	m.documents[name] = d
	return &ssm.CreateDocumentOutput{DocumentDescription: d.describe(v)}, nil
}

func (m *systemsManager) updateDocument(_ context.Context, in *ssm.UpdateDocumentInput) (*ssm.UpdateDocumentOutput, error) {
	v, err := newVersion(in.Content, in.DocumentFormat)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.document(in.Name)
	if err != nil {
		return nil, err
	}
	old, err := d.version(in.DocumentVersion)
	switch {
	case err != nil:
		return nil, err
	case old.number != d.latest().number: // an update names the newest version
		return nil, &types.InvalidDocumentVersion{Message: aws.String("The document version is not the latest one.")}
	case slices.ContainsFunc(d.versions, func(old version) bool { return old.text == v.text }):
		return nil, &types.DuplicateDocumentContent{Message: aws.String("The content is that of another version of the document.")}
	}
	v.number = len(d.versions) + 1
	d.versions = append(d.versions, v)
	return &ssm.UpdateDocumentOutput{DocumentDescription: d.describe(v)}, nil
}

func (m *systemsManager) updateDocumentDefaultVersion(
	_ context.Context, in *ssm.UpdateDocumentDefaultVersionInput,
) (*ssm.UpdateDocumentDefaultVersionOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, v, err := m.version(in.Name, in.DocumentVersion)
	if err != nil {
		return nil, err
	}
	d.preset = v.number
	return &ssm.UpdateDocumentDefaultVersionOutput{Description: &types.DocumentDefaultVersionDescription{
		Name: &d.name, DefaultVersion: aws.String(strconv.Itoa(d.preset)),
	}}, nil
}

func (m *systemsManager) describeDocument(_ context.Context, in *ssm.DescribeDocumentInput) (*ssm.DescribeDocumentOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, v, err := m.version(in.Name, in.DocumentVersion)
	if err != nil {
		return nil, err
	}
	return &ssm.DescribeDocumentOutput{Document: d.describe(v)}, nil
}

func (m *systemsManager) getDocument(_ context.Context, in *ssm.GetDocumentInput) (*ssm.GetDocumentOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, v, err := m.version(in.Name, in.DocumentVersion)
	if err != nil {
		return nil, err
	}
	if in.DocumentFormat != "" && string(in.DocumentFormat) != v.format {
		return nil, refusal("ValidationException", "awsloop gives a document in its own format only, "+v.format)
	}
	return &ssm.GetDocumentOutput{
		Name: &d.name, Content: &v.text, CreatedDate: &v.created,
		DocumentFormat: types.DocumentFormat(v.format), DocumentType: types.DocumentTypeCommand,
		DocumentVersion: aws.String(strconv.Itoa(v.number)), Status: types.DocumentStatusActive,
	}, nil
}

func (m *systemsManager) deleteDocument(_ context.Context, in *ssm.DeleteDocumentInput) (*ssm.DeleteDocumentOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.document(in.Name)
	if err != nil {
		return nil, err
	}
	if d.owner == "Amazon" {
		return nil, &types.InvalidDocumentOperation{Message: aws.String("You can't delete a document that Amazon owns.")}
	}
	delete(m.documents, d.name)
	return &ssm.DeleteDocumentOutput{}, nil
}

// listDocuments knows the filters Owner (Self, Amazon) and Name (a prefix).
func (m *systemsManager) listDocuments(_ context.Context, in *ssm.ListDocumentsInput) (*ssm.ListDocumentsOutput, error) {
	limit, err := pageSize(in.MaxResults, 1, 50)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []types.DocumentIdentifier{}
	for _, name := range slices.Sorted(maps.Keys(m.documents)) {
		d := m.documents[name]
		fits, err := d.fits(in.Filters)
		if err != nil {
			return nil, err
		}
		if v := d.versions[d.preset-1]; fits {
			all = append(all, types.DocumentIdentifier{
				Name: &d.name, Owner: &d.owner, CreatedDate: &v.created, Tags: tagList(d.tags),
				DocumentVersion: aws.String(strconv.Itoa(v.number)), DocumentType: types.DocumentTypeCommand,
				DocumentFormat: types.DocumentFormat(v.format), SchemaVersion: &v.content.SchemaVersion,
				PlatformTypes: []types.PlatformType{types.PlatformTypeLinux, types.PlatformTypeMacos},
			})
		}
	}
	position := map[string]int{}
	for i, d := range all {
		position[*d.Name] = i
	}
	some, token, err := page(all, func(d types.DocumentIdentifier) int { return position[*d.Name] }, in.NextToken, limit)
	return &ssm.ListDocumentsOutput{DocumentIdentifiers: some, NextToken: token}, err
}

func (d *document) fits(filters []types.DocumentKeyValuesFilter) (bool, error) {
	for _, f := range filters {
		var fits func(want string) bool
		switch key := aws.ToString(f.Key); key {
		case "Owner":
			fits = func(want string) bool { return want == "All" || (want == "Amazon") == (d.owner == "Amazon") }
		case "Name":
			fits = func(want string) bool { return strings.HasPrefix(d.name, want) }
		default:
			return false, &types.InvalidFilterKey{Message: aws.String("awsloop doesn't know the filter " + key)}
		}
		if !slices.ContainsFunc(f.Values, fits) {
			return false, nil
		}
	}
	return true, nil
}

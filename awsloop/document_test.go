package awsloop_test

import (
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/solocron/solocron/awsloop"
)

// document is one with typed parameters and a fixed script.
func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/document.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDocumentParameters(t *testing.T) {
	t.Parallel()
	s := newServer(t, awsloop.Options{})
	c := client(t, s)
	i := addInstance(t, s, instanceID(1), awsloop.InstanceOptions{Online: true})
	windows := addInstance(t, s, instanceID(2), awsloop.InstanceOptions{Online: true, Platform: types.PlatformTypeWindows})
	if _, err := c.CreateDocument(t.Context(), &ssm.CreateDocumentInput{
		Name: aws.String("greet"), Content: aws.String(document(t)), DocumentFormat: types.DocumentFormatYaml,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String("/who"), Value: aws.String("you")}); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		parameters map[string][]string
		stdout     string
		code       string
	}{
		"defaults": {map[string][]string{"verb": {"start"}}, "start  1 [\"echo A\",\"echo B\"]\nA\nB\n", ""},
		"all": {
			map[string][]string{"verb": {"stop"}, "name": {"you"}, "times": {"3"}, "words": {"echo C"}},
			"stop you 3 [\"echo C\"]\nC\n", "",
		},
		"stored":       {map[string][]string{"verb": {"stop"}, "name": {"{{ssm:/who}}"}, "words": {"true"}}, "stop you 1 [\"true\"]\n", ""},
		"missing":      {nil, "", "InvalidParameters"},
		"not allowed":  {map[string][]string{"verb": {"steal"}}, "", "InvalidParameters"},
		"no match":     {map[string][]string{"verb": {"stop"}, "name": {"'; rm -rf /"}}, "", "InvalidParameters"},
		"no number":    {map[string][]string{"verb": {"stop"}, "times": {"x"}}, "", "InvalidParameters"},
		"too many":     {map[string][]string{"verb": {"stop"}, "words": {"a", "a", "a", "a"}}, "", "InvalidParameters"},
		"not declared": {map[string][]string{"verb": {"stop"}, "more": {"a"}}, "", "InvalidParameters"},
		"stray braces": {map[string][]string{"verb": {"stop"}, "words": {"echo {{ name }}"}}, "", "InvalidParameters"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := c.SendCommand(t.Context(), &ssm.SendCommandInput{
				DocumentName: aws.String("greet"), InstanceIds: []string{i.ID()}, Parameters: test.parameters,
			})
			wantCode(t, err, test.code)
			if err != nil {
				return
			}
			got := await(t, c, out.Command, i.ID(), "Success")
			if *got.StandardOutputContent != test.stdout || *got.PluginName != "greet" {
				t.Errorf("got %q by %s, want %q", *got.StandardOutputContent, *got.PluginName, test.stdout)
			}
		})
	}
	t.Run("precondition", func(t *testing.T) {
		t.Parallel()
		out, err := c.SendCommand(t.Context(), &ssm.SendCommandInput{
			DocumentName: aws.String("greet"), InstanceIds: []string{windows.ID()}, Parameters: map[string][]string{"verb": {"start"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := await(t, c, out.Command, windows.ID(), "Success"); !strings.Contains(*got.StandardOutputContent, "skipped") {
			t.Errorf("got %q", *got.StandardOutputContent)
		}
	})
}

func TestDocumentVersions(t *testing.T) {
	t.Parallel()
	s := newServer(t, awsloop.Options{})
	c := client(t, s)
	name, text := aws.String("greet"), document(t)
	create := func() error {
		_, err := c.CreateDocument(t.Context(), &ssm.CreateDocumentInput{
			Name: name, Content: &text, DocumentFormat: types.DocumentFormatYaml,
			Tags: []types.Tag{{Key: aws.String("app"), Value: aws.String("test")}},
		})
		return err
	}
	update := func(text string, version *string) error {
		_, err := c.UpdateDocument(t.Context(), &ssm.UpdateDocumentInput{
			Name: name, Content: &text, DocumentFormat: types.DocumentFormatYaml, DocumentVersion: version,
		})
		return err
	}
	latest := aws.String("$LATEST")
	wantCode(t, update(text, latest), "InvalidDocument")
	wantCode(t, create(), "")
	wantCode(t, create(), "DocumentAlreadyExists")
	wantCode(t, update(text, latest), "DuplicateDocumentContent")
	wantCode(t, update(text+"\n# more\n", latest), "")
	wantCode(t, update(text+"\n# and more\n", aws.String("1")), "InvalidDocumentVersion")

	described, err := c.DescribeDocument(t.Context(), &ssm.DescribeDocumentInput{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	if d := described.Document; *d.DefaultVersion != "1" || *d.LatestVersion != "2" || *d.DocumentVersion != "1" || len(d.Parameters) != 5 {
		t.Errorf("described as %+v", d)
	}
	if _, err := c.UpdateDocumentDefaultVersion(t.Context(), &ssm.UpdateDocumentDefaultVersionInput{Name: name, DocumentVersion: aws.String("2")}); err != nil {
		t.Error(err)
	}
	got, err := c.GetDocument(t.Context(), &ssm.GetDocumentInput{Name: name})
	if err != nil || *got.DocumentVersion != "2" || *got.Content != text+"\n# more\n" {
		t.Errorf("got %+v, %v", got, err)
	}
	mine := []types.DocumentKeyValuesFilter{{Key: aws.String("Owner"), Values: []string{"Self"}}}
	listed, err := c.ListDocuments(t.Context(), &ssm.ListDocumentsInput{Filters: mine})
	if err != nil || len(listed.DocumentIdentifiers) != 1 || *listed.DocumentIdentifiers[0].Name != *name {
		t.Errorf("listed %+v, %v", listed, err)
	}
	tags, err := c.ListTagsForResource(t.Context(), &ssm.ListTagsForResourceInput{ResourceId: name, ResourceType: types.ResourceTypeForTaggingDocument})
	if err != nil || len(tags.TagList) != 1 || *tags.TagList[0].Key != "app" {
		t.Errorf("tags %+v, %v", tags, err)
	}
	if _, err := c.DeleteDocument(t.Context(), &ssm.DeleteDocumentInput{Name: name}); err != nil {
		t.Error(err)
	}
	_, err = c.DescribeDocument(t.Context(), &ssm.DescribeDocumentInput{Name: name})
	wantCode(t, err, "InvalidDocument")
}

func TestBadDocuments(t *testing.T) {
	t.Parallel()
	c := client(t, newServer(t, awsloop.Options{}))
	text := document(t)
	tests := map[string]struct{ name, text, want string }{
		"name":        {"a b", text, "ValidationException"},
		"reserved":    {"AWS-Mine", text, "ValidationException"},
		"not YAML":    {"mine", "\t{", "InvalidDocumentContent"},
		"schema":      {"mine", strings.Replace(text, `"2.2"`, `"0.3"`, 1), "InvalidDocumentContent"},
		"action":      {"mine", strings.Replace(text, "runShellScript", "runPowerShellScript", 1), "InvalidDocumentContent"},
		"undeclared":  {"mine", strings.Replace(text, "{{ verb }}", "{{ noun }}", 1), "InvalidDocumentContent"},
		"bad default": {"mine", strings.Replace(text, `default: "60"`, `default: "1m"`, 1), "InvalidDocumentContent"},
		"type":        {"mine", strings.Replace(text, "Integer", "Float", 1), "InvalidDocumentContent"},
		"size":        {"mine", text + "#" + strings.Repeat("#", 64<<10), "MaxDocumentSizeExceeded"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := c.CreateDocument(t.Context(), &ssm.CreateDocumentInput{
				Name: &test.name, Content: &test.text, DocumentFormat: types.DocumentFormatYaml,
			})
			wantCode(t, err, test.want)
		})
	}
	_, err := c.DeleteDocument(t.Context(), &ssm.DeleteDocumentInput{Name: aws.String("AWS-RunShellScript")})
	wantCode(t, err, "InvalidDocumentOperation")
}

func TestTagsOfNodes(t *testing.T) {
	t.Parallel()
	s := newServer(t, awsloop.Options{})
	c := client(t, s)
	node := addInstance(t, s, "mi-00000000000000001", answers("", 0))
	addInstance(t, s, instanceID(1), answers("", 0))
	add := func(id string) error {
		_, err := c.AddTagsToResource(t.Context(), &ssm.AddTagsToResourceInput{
			ResourceType: types.ResourceTypeForTaggingManagedInstance, ResourceId: &id,
			Tags: []types.Tag{{Key: aws.String("cron"), Value: aws.String("true")}, {Key: aws.String("old"), Value: aws.String("x")}},
		})
		return err
	}
	wantCode(t, add(node.ID()), "")
	wantCode(t, add(instanceID(1)), "InvalidResourceId")
	if _, err := c.RemoveTagsFromResource(t.Context(), &ssm.RemoveTagsFromResourceInput{
		ResourceType: types.ResourceTypeForTaggingManagedInstance, ResourceId: aws.String(node.ID()), TagKeys: []string{"old"},
	}); err != nil {
		t.Error(err)
	}
	out, err := c.ListTagsForResource(t.Context(), &ssm.ListTagsForResourceInput{
		ResourceType: types.ResourceTypeForTaggingManagedInstance, ResourceId: aws.String(node.ID()),
	})
	if err != nil || len(out.TagList) != 1 || *out.TagList[0].Key != "cron" {
		t.Errorf("tags %+v, %v", out, err)
	}
	// A command finds it by its tag.
	sent, err := c.SendCommand(t.Context(), &ssm.SendCommandInput{
		DocumentName: aws.String("AWS-RunShellScript"), Parameters: map[string][]string{"commands": {"true"}},
		Targets: []types.Target{{Key: aws.String("tag:cron"), Values: []string{"true"}}},
	})
	if err != nil || sent.Command.TargetCount != 1 {
		t.Fatalf("sent %+v, %v", sent, err)
	}
	await(t, c, sent.Command, node.ID(), "Success")
}

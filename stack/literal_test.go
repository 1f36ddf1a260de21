package stack

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solocron/solocron/job"
)

// What people write is none of our placeholders, whatever it looks like.
func TestLiteral(t *testing.T) {
	t.Parallel()
	place := Place{"aws-cn", "cn-north-1", "123456789012"}
	for _, theirs := range []string{"", "web", "$", "${", "$${AWS::Region}", "${AWS::Region}", "${!AWS::Region}", "${!", "{!${}"} {
		got := place.Fill(Account + Literal(theirs) + Region)
		if want := place.Account + theirs + place.Region; got != want {
			t.Errorf("%q became %q", theirs, got)
		}
	}
}

func TestSettingsKeepTags(t *testing.T) {
	t.Parallel()
	tags := map[string]string{"cost ${AWS::AccountId}": `"<${center}>"`}
	f := &job.File{Fleet: job.Fleet{EC2: &job.EC2{Region: "eu-central-1", Document: "solocron", ClaimWithin: 1, Tags: tags}}}
	i := &Installation{Name: "cron", Region: "eu-central-1", File: f}
	text, err := i.Settings()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.ReplaceAll(text, "${!", ""), "${") {
		t.Errorf("CloudFormation would replace something in %s", text)
	}
	s, err := job.ReadSettings(Place{"aws", "eu-central-1", "123456789012"}.Fill(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tags, s.EC2.Tags); diff != "" {
		t.Error(diff)
	}
}

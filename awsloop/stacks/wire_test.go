package stacks

import (
	"encoding/xml"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	in := &cfn.CreateChangeSetInput{}
	form := url.Values{
		"StackName": {"cron"}, "UsePreviousTemplate": {"true"}, "ChangeSetType": {"UPDATE"}, "NotificationARNs": {""},
		"Capabilities.member.1": {"CAPABILITY_IAM"}, "Capabilities.member.2": {"CAPABILITY_NAMED_IAM"},
		"Parameters.member.2.ParameterKey": {"Key"}, "Parameters.member.2.UsePreviousValue": {"true"},
		"Parameters.member.1.ParameterKey": {"Bucket"}, "Parameters.member.1.ParameterValue": {""},
		"RollbackConfiguration.MonitoringTimeInMinutes": {"5"},
	}
	if err := decode(form, reflect.ValueOf(in).Elem()); err != nil {
		t.Fatal(err)
	}
	want := &cfn.CreateChangeSetInput{
		StackName: aws.String("cron"), UsePreviousTemplate: aws.Bool(true), ChangeSetType: types.ChangeSetTypeUpdate,
		Capabilities: []types.Capability{types.CapabilityCapabilityIam, types.CapabilityCapabilityNamedIam},
		Parameters: []types.Parameter{
			{ParameterKey: aws.String("Bucket"), ParameterValue: aws.String("")},
			{ParameterKey: aws.String("Key"), UsePreviousValue: aws.Bool(true)},
		},
		RollbackConfiguration: &types.RollbackConfiguration{MonitoringTimeInMinutes: aws.Int32(5)},
	}
	if !reflect.DeepEqual(in, want) {
		t.Errorf("%+v", in)
	}
	for key, text := range map[string]string{
		"Colour": "red", "StackName.member.1": "x", "Capabilities": "x", "Capabilities.member.0": "x", "Capabilities.member.501": "x", "Capabilities.1": "x",
		"Tags.member.1": "x", "UsePreviousTemplate": "perhaps", "RollbackConfiguration.MonitoringTimeInMinutes": "soon",
	} {
		if err := decode(url.Values{key: {text}}, reflect.ValueOf(&cfn.CreateChangeSetInput{}).Elem()); err == nil {
			t.Errorf("%s=%s is accepted", key, text)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("Tags.member.1.Key=a&Tags.member.1.Value=b&StackName=s")
	f.Add("RollbackConfiguration.RollbackTriggers.member.1.Arn=a")
	f.Fuzz(func(_ *testing.T, text string) {
		form, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		decode(form, reflect.ValueOf(&cfn.CreateChangeSetInput{}).Elem())
	})
}

func TestEncode(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	encodeMembers(&b, reflect.ValueOf(cfn.DescribeStacksOutput{Stacks: []types.Stack{{
		StackName: aws.String("a<b&c"), StackStatus: types.StackStatusCreateComplete, CreationTime: aws.Time(time.Date(2026, 11, 22, 2, 30, 0, 5e6, time.UTC)),
		Tags: []types.Tag{}, DisableRollback: aws.Bool(false), StackStatusReason: aws.String(""),
	}}}))
	const want = "<Stacks><member><CreationTime>2026-11-22T02:30:00.005Z</CreationTime><StackName>a&lt;b&amp;c</StackName><StackStatus>CREATE_COMPLETE</StackStatus>" +
		"<DisableRollback>false</DisableRollback><StackStatusReason></StackStatusReason><Tags></Tags></member></Stacks>"
	if b.String() != want {
		t.Error(b.String())
	}
	if err := xml.Unmarshal([]byte(b.String()), new(struct{})); err != nil {
		t.Error(err)
	}
}

package stacks

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{`:                "Template format error",
		`[]`:               "Template format error",
		`{}`:               "At least one Resources member",
		`{"Resources":{}}`: "At least one Resources member",
		`{"AWSTemplateFormatVersion":"2011-01-01","Resources":{"A":{"Type":"AWS::SNS::Topic"}}}`:                          "AWSTemplateFormatVersion",
		`{"Conditions":{},"Resources":{"A":{"Type":"AWS::SNS::Topic"}}}`:                                                  "Conditions",
		`{"Resources":{"A":{"Type":"AWS::SNS::Topic","Condition":"C"}}}`:                                                  "Condition",
		`{"Resources":{"A":{"Type":"AWS::EC2::Instance"}}}`:                                                               "Unrecognized resource types: [AWS::EC2::Instance]",
		`{"Resources":{"A":{"Type":"AWS::SNS::Topic","DeletionPolicy":"Snapshot"}}}`:                                      "DeletionPolicy Snapshot",
		`{"Resources":{"A":{"Type":"AWS::SNS::Topic","DependsOn":"B"}}}`:                                                  "Unresolved resource dependencies [B]",
		`{"Resources":{"A":{"Type":"AWS::SNS::Topic","Properties":{"TopicName":{"Ref":"B"}}}}}`:                           "Unresolved resource dependencies [B]",
		`{"Resources":{"A":{"Type":"AWS::SNS::Topic","Properties":{"TopicName":{"Fn::Sub":"${B.Arn}"}}}}}`:                "Unresolved resource dependencies [B]",
		`{"Resources":{"A":{"Type":"AWS::SNS::Topic","Properties":{"TopicName":{"Fn::GetAtt":"A.Size"}}}}}`:               "does not support attribute type Size",
		`{"Resources":{"A":{"Type":"AWS::SNS::Topic"}},"Outputs":{"O":{"Value":{"Ref":"B"}}}}`:                            "Outputs block",
		`{"Resources":{"A":{"Type":"AWS::SNS::Topic","DependsOn":"B"},"B":{"Type":"AWS::SNS::Topic","DependsOn":["A"]}}}`: "Circular dependency between resources: [A, B]",
		`{"Parameters":{"P":{"Type":"AWS::SSM::Parameter::Value<String>"}},"Resources":{"A":{"Type":"AWS::SNS::Topic"}}}`: "Unrecognized parameter type",
		`{"Resources":{"A":{"Type":"AWS::SNS::Topic","Metadata":{"m":"` + strings.Repeat("x", bodyLimit) + `"}}}}`:        "less than or equal to 51200",
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), want) || !is(err, "ValidationError") {
			t.Errorf("%.100s: %v, want %s", text, err, want)
		}
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	made, err := parse(`{"Resources":{
		"Alarm": {"Type":"AWS::SNS::Topic","Properties":{"TopicName":{"Fn::Join":["-",["a",{"Fn::GetAtt":["Zed","TopicName"]}]]}}},
		"Beta":  {"Type":"AWS::SNS::Topic","DependsOn":["Alarm"]},
		"Gamma": {"Type":"AWS::SNS::Topic","Properties":{"TopicName":{"Fn::Sub":"${Beta}-${!Zed}"}}},
		"Zed":   {"Type":"AWS::SNS::Topic"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	order, err := made.order()
	if want := []string{"Zed", "Alarm", "Beta", "Gamma"}; err != nil || !slices.Equal(order, want) {
		t.Errorf("%v, %v, want %v", order, err, want)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	known := func(r reference) (any, bool) {
		v, ok := map[reference]any{
			{name: "Name"}: "cron", {name: "Zone"}: "a", {"Queue", "Arn"}: "arn:q", {name: "AWS::NoValue"}: noValue, {name: "List"}: []any{"x"},
		}[r]
		return v, ok
	}
	for text, want := range map[string]string{
		`"plain"`:                                        `"plain"`,
		`{"Ref":"Name"}`:                                 `"cron"`,
		`{"Ref":"Unknown"}`:                              `{"Ref":"Unknown"}`,
		`{"Ref":"Name","b":1}`:                           `{"Ref":"Name","b":1}`,
		`[1,true,null,{"a":{"Ref":"Name"}}]`:             `[1,true,null,{"a":"cron"}]`,
		`[{"Ref":"AWS::NoValue"},1]`:                     `[1]`,
		`{"a":{"Ref":"AWS::NoValue"},"b":1}`:             `{"b":1}`,
		`{"Fn::GetAtt":["Queue","Arn"]}`:                 `"arn:q"`,
		`{"Fn::GetAtt":"Queue.Arn"}`:                     `"arn:q"`,
		`{"Fn::GetAtt":["Other","Arn"]}`:                 `{"Fn::GetAtt":["Other","Arn"]}`,
		`{"Fn::Sub":"${Name}-${!Name}-${Queue.Arn}"}`:    `"cron-${Name}-arn:q"`,
		`{"Fn::Sub":"${Name}-${Other}"}`:                 `{"Fn::Sub":"cron-${Other}"}`,
		`{"Fn::Join":["/",["x",{"Ref":"Zone"},2,true]]}`: `"x/a/2/true"`,
		`{"Fn::Join":["/",[{"Ref":"Other"}]]}`:           `{"Fn::Join":["/",[{"Ref":"Other"}]]}`,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		got, err := resolve(v, known)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if out, err := json.Marshal(got); err != nil || string(out) != want {
			t.Errorf("%s: %s, %v, want %s", text, out, err, want)
		}
	}
	for _, text := range []string{
		`{"Ref":1}`, `{"Fn::GetAtt":["A"]}`, `{"Fn::GetAtt":"A"}`, `{"Fn::If":["C","a","b"]}`, `{"Fn::Join":"a"}`, `{"Fn::Join":[1,["a"]]}`,
		`{"Fn::Sub":["${A}",{"A":"b"}]}`, `{"Fn::Sub":"${List}"}`, `{"a":[{"Fn::Base64":"x"}]}`,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if got, err := resolve(v, known); err == nil {
			t.Errorf("%s is %v", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"Resources":{"A":{"Type":"AWS::SNS::Topic","DependsOn":["A"],"Properties":{"TopicName":{"Fn::Sub":"${A.TopicName}${!x}"}}}}}`)
	f.Add(`{"Parameters":{"P":{"Type":"String","Default":"x"}},"Resources":{"A":{"Type":"AWS::SQS::Queue","Properties":{"QueueName":{"Fn::Join":["",[{"Ref":"P"}]]}}}},"Outputs":{"O":{"Value":{"Fn::GetAtt":["A","Arn"]}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		made, err := parse(text)
		if err != nil {
			return
		}
		order, err := made.order()
		if err != nil || len(order) != len(made.Resources) {
			t.Errorf("order %v, %v", order, err)
		}
		for _, r := range made.Resources {
			resolve(r.Properties, func(reference) (any, bool) { return nil, false })
		}
	})
}

func TestValues(t *testing.T) {
	t.Parallel()
	made, err := parse(`{"Parameters":{"Key":{"Type":"String"},"Size":{"Type":"Number","Default":"3","AllowedValues":["3","4"]}},"Resources":{"A":{"Type":"AWS::SNS::Topic"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	set := func(key, value string) types.Parameter {
		return types.Parameter{ParameterKey: &key, ParameterValue: &value}
	}
	kept := func(key string) types.Parameter {
		return types.Parameter{ParameterKey: &key, UsePreviousValue: aws.Bool(true)}
	}
	for name, tt := range map[string]struct {
		given  []types.Parameter
		before map[string]string
		want   map[string]string
		fault  string
	}{
		"default":       {given: []types.Parameter{set("Key", "k")}, want: map[string]string{"Key": "k", "Size": "3"}},
		"kept":          {given: []types.Parameter{kept("Key"), set("Size", "4")}, before: map[string]string{"Key": "old"}, want: map[string]string{"Key": "old", "Size": "4"}},
		"not kept":      {before: map[string]string{"Key": "old"}, fault: "Parameters: [Key] must have values"},
		"never there":   {given: []types.Parameter{kept("Key")}, fault: "usePreviousValue"},
		"unknown":       {given: []types.Parameter{set("Kee", "k")}, fault: "Parameters: [Kee] do not exist in the template"},
		"not allowed":   {given: []types.Parameter{set("Key", "k"), set("Size", "5")}, fault: "Parameter 'Size'"},
		"much too long": {given: []types.Parameter{set("Key", strings.Repeat("k", 4097))}, fault: "4096"},
	} {
		got, err := made.values(tt.given, tt.before)
		if tt.fault != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("%s: %v, want %s", name, err, tt.fault)
			}
		} else if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, tt.want)
		}
	}
}

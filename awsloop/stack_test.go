package awsloop_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/solocron/solocron/awsloop"
)

// TestStack makes each type of resource, changes some, and removes them.
func TestStack(t *testing.T) {
	t.Parallel()
	a := newAccount(t, awsloop.AccountOptions{})
	place := map[string]string{"Bucket": a.upload("one.zip"), "Key": "one.zip", "Architecture": awsloop.Native}
	resources := everything()
	body := template(t, resources, codeParameters)
	set := a.change(types.ChangeSetTypeCreate, body, place)
	if len(set.Changes) != len(resources) || set.ExecutionStatus != types.ExecutionStatusAvailable {
		t.Fatalf("%+v", set)
	}
	if s := a.describe(a.name); s.StackStatus != types.StackStatusReviewInProgress {
		t.Errorf("status %s", s.StackStatus)
	}
	s := a.execute(set, types.StackStatusCreateComplete)
	if len(s.Outputs) != 1 || !strings.HasSuffix(*s.Outputs[0].OutputValue, ":function:"+a.name) || len(s.Parameters) != 3 || len(s.Tags) != 1 {
		t.Errorf("%+v", s)
	}
	got, err := a.stacks.GetTemplate(t.Context(), &cloudformation.GetTemplateInput{StackName: &a.name})
	if err != nil || *got.TemplateBody != body {
		t.Errorf("%v: the template is not the one that was sent", err)
	}
	listed, err := a.stacks.ListStackResources(t.Context(), &cloudformation.ListStackResourcesInput{StackName: &a.name})
	if err != nil || len(listed.StackResourceSummaries) != len(resources) {
		t.Errorf("%v, %v", listed, err)
	}
	a.checkMade()

	again := a.change(types.ChangeSetTypeUpdate, body, place)
	if again.Status != types.ChangeSetStatusFailed || aws.ToString(again.StatusReason) != "The submitted information didn't contain changes. "+
		"Submit different information to create a change set." {
		t.Errorf("%s %s", again.Status, aws.ToString(again.StatusReason))
	}
	a.update(resources, place)
	s = a.remove()
	if s.StackStatus != types.StackStatusDeleteComplete || !slices.Contains(a.events(*s.StackId), "Table DELETE_SKIPPED") {
		t.Errorf("%s %s", s.StackStatus, aws.ToString(s.StackStatusReason))
	}
	if _, err := dynamodb.NewFromConfig(a.config).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &a.name}); err != nil {
		t.Errorf("the table is not retained: %v", err)
	}
	if _, err := a.functions.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: &a.name}); awsloop.ErrorCode(err) != "ResourceNotFoundException" {
		t.Errorf("the function is still there: %v", err)
	}
	// With the table there the stack can't be made again, and what was made for
	// it goes.
	a.execute(a.change(types.ChangeSetTypeCreate, body, place), types.StackStatusRollbackComplete)
	if !slices.ContainsFunc(a.events(a.name), func(e string) bool { return strings.HasPrefix(e, "Table CREATE_FAILED Resource handler") }) {
		t.Errorf("events %q", a.events(a.name))
	}
}

// checkMade looks at what the services have.
func (a *account) checkMade() {
	a.t.Helper()
	ctx := a.t.Context()
	config, err := a.functions.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &a.name})
	if err != nil || *config.Timeout != 60 || *config.MemorySize != 256 || config.Environment.Variables["LITERAL"] != "${HOME}" || config.Environment.Variables["TABLE"] != a.name {
		a.t.Errorf("%+v, %v", config, err)
	}
	role, err := iam.NewFromConfig(a.config).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(a.name + "-function")})
	if err != nil || len(role.Role.Tags) != 1 || *role.Role.Tags[0].Key != "part" {
		a.t.Errorf("%+v, %v: the stack's tag is missing", role, err)
	}
	ttl, err := dynamodb.NewFromConfig(a.config).DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &a.name})
	if err != nil || aws.ToString(ttl.TimeToLiveDescription.AttributeName) != "ttl" {
		a.t.Errorf("%+v, %v", ttl, err)
	}
	queue := a.queue(a.name + "-undelivered")
	attributes, err := sqs.NewFromConfig(a.config).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &queue, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	if err != nil || attributes.Attributes["MessageRetentionPeriod"] != "1209600" || !strings.Contains(attributes.Attributes["Policy"], "events.amazonaws.com") {
		a.t.Errorf("%+v, %v", attributes, err)
	}
	if out := a.invoke(`{"echo":"hi"}`); !strings.Contains(out, `"Echo":"hi"`) {
		a.t.Error(out)
	}
}

// update changes properties of both kinds, a policy, adds and takes away.
func (a *account) update(resources object, place map[string]string) {
	a.t.Helper()
	delete(resources, "Alarm")
	resources["More"] = object{"Type": "AWS::SNS::Topic", "Properties": object{"TopicName": sub("${AWS::StackName}-more")}}
	properties := func(id string) object { return resources[id].(object)["Properties"].(object) }
	properties("Log")["RetentionInDays"] = 14
	properties("Role")["Policies"] = []any{}
	properties("Queue")["QueueName"] = sub("${AWS::StackName}-lost")
	properties("Document")["Content"].(object)["description"] = "changed"
	place["Key"] = a.uploadAgain("two.zip")
	set := a.change(types.ChangeSetTypeUpdate, template(a.t, resources, codeParameters), place)
	changes := map[string]types.ResourceChange{}
	for _, c := range set.Changes {
		changes[*c.ResourceChange.LogicalResourceId] = *c.ResourceChange
	}
	for id, want := range map[string]types.ResourceChange{
		"Alarm":       {Action: types.ChangeActionRemove},
		"More":        {Action: types.ChangeActionAdd},
		"Log":         {Action: types.ChangeActionModify, Replacement: types.ReplacementFalse},
		"Role":        {Action: types.ChangeActionModify, Replacement: types.ReplacementFalse},
		"Document":    {Action: types.ChangeActionModify, Replacement: types.ReplacementFalse},
		"Function":    {Action: types.ChangeActionModify, Replacement: types.ReplacementFalse},
		"Queue":       {Action: types.ChangeActionModify, Replacement: types.ReplacementTrue},
		"QueuePolicy": {Action: types.ChangeActionModify, Replacement: types.ReplacementFalse},
		"Reader":      {Action: types.ChangeActionModify, Replacement: types.ReplacementConditional},
		"Sweeps":      {Action: types.ChangeActionModify, Replacement: types.ReplacementConditional},
	} {
		if c := changes[id]; c.Action != want.Action || c.Replacement != want.Replacement {
			a.t.Errorf("%s: %s, replacement %s", id, c.Action, c.Replacement)
		}
	}
	if _, ok := changes["Table"]; ok {
		a.t.Error("the table is not changed")
	}
	details := changes["Function"].Details
	if len(details) < 2 || details[0].ChangeSource != types.ChangeSourceParameterReference || *details[0].CausingEntity != "Key" || *details[0].Target.Name != "Code" {
		a.t.Errorf("%+v", details)
	}
	before := a.describeFunction()
	s := a.execute(set, types.StackStatusUpdateComplete)
	if after := a.describeFunction(); *after.CodeSha256 == *before.CodeSha256 || s.LastUpdatedTime == nil {
		a.t.Error("the code is the same")
	}
	document, err := ssm.NewFromConfig(a.config).DescribeDocument(a.t.Context(), &ssm.DescribeDocumentInput{Name: aws.String(a.name + "-run")})
	if err != nil || *document.Document.LatestVersion != "2" || *document.Document.DefaultVersion != "1" {
		a.t.Errorf("%+v, %v", document, err)
	}
	a.queue(a.name + "-lost")
	policies, err := iam.NewFromConfig(a.config).ListRolePolicies(a.t.Context(), &iam.ListRolePoliciesInput{RoleName: aws.String(a.name + "-function")})
	if err != nil || len(policies.PolicyNames) != 0 {
		a.t.Errorf("%+v, %v", policies, err)
	}
}

func topic(name string, more object) object {
	p := object{"TopicName": sub("${AWS::StackName}-" + name)}
	maps.Copy(p, more)
	return object{"Type": "AWS::SNS::Topic", "Properties": p}
}

// TestUpdateRollsBack has an update fail halfway.
func TestUpdateRollsBack(t *testing.T) {
	t.Parallel()
	a := newAccount(t, awsloop.AccountOptions{})
	group := object{"Type": "AWS::Logs::LogGroup", "Properties": object{"LogGroupName": sub("/${AWS::StackName}"), "RetentionInDays": 30}}
	resources := object{"A": topic("a", object{"DisplayName": "before"}), "B": topic("b", nil), "Log": group}
	a.execute(a.change(types.ChangeSetTypeCreate, template(t, resources, nil), nil), types.StackStatusCreateComplete)
	changed := object{
		"A":    topic("a", object{"DisplayName": "after"}),
		"B":    topic("b2", nil),
		"C":    object{"Type": "AWS::SNS::Topic", "DependsOn": "B", "Properties": object{}},
		"Log":  group,
		"Zone": object{"Type": "AWS::SNS::Topic", "DependsOn": "C", "Properties": object{"Colour": "red"}},
	}
	s := a.execute(a.change(types.ChangeSetTypeUpdate, template(t, changed, nil), nil), types.StackStatusUpdateRollbackComplete)
	events := a.events(a.name)
	for _, want := range []string{
		"Zone CREATE_FAILED Properties validation failed for resource Zone with message: [#: extraneous key [Colour] is not permitted]",
		a.name + " UPDATE_ROLLBACK_IN_PROGRESS The following resource(s) failed to update: [Zone]. ",
		"C DELETE_COMPLETE", "B DELETE_COMPLETE",
		a.name + " UPDATE_ROLLBACK_COMPLETE",
	} {
		if !slices.Contains(events, want) {
			t.Errorf("no %q in\n%s", want, strings.Join(events, "\n"))
		}
	}
	topics := a.topics()
	if len(topics) != 2 || topics[a.name+"-a"] != "before" || s.StackStatusReason != nil {
		t.Errorf("topics %v, reason %s", topics, aws.ToString(s.StackStatusReason))
	}
	// As nothing changed, the template of before is in force.
	if set := a.change(types.ChangeSetTypeUpdate, template(t, resources, nil), nil); set.Status != types.ChangeSetStatusFailed {
		t.Errorf("%+v", set)
	}
	// A resource that has a name of its own can't be replaced.
	resources["Log"] = object{"Type": "AWS::Logs::LogGroup", "Properties": object{"LogGroupName": sub("/${AWS::StackName}"), "RetentionInDays": 30}}
	document := object{"Type": "AWS::SSM::Document", "Properties": object{
		"Name": sub("${AWS::StackName}-d"), "DocumentType": "Command", "Content": object{"schemaVersion": "2.2", "mainSteps": []any{object{
			"action": "aws:runShellScript", "name": "run", "inputs": object{"runCommand": []any{"true"}},
		}}},
	}}
	resources["Doc"] = document
	a.execute(a.change(types.ChangeSetTypeUpdate, template(t, resources, nil), nil), types.StackStatusUpdateComplete)
	document["Properties"].(object)["TargetType"] = "/"
	a.execute(a.change(types.ChangeSetTypeUpdate, template(t, resources, nil), nil), types.StackStatusUpdateRollbackComplete)
	if events := strings.Join(a.events(a.name), "\n"); !strings.Contains(events, "cannot update a stack when a custom-named resource requires replacing") {
		t.Error(events)
	}
}

func TestChangeSets(t *testing.T) {
	t.Parallel()
	a := newAccount(t, awsloop.AccountOptions{})
	create := func(change func(*cloudformation.CreateChangeSetInput)) error {
		in := &cloudformation.CreateChangeSetInput{
			StackName: &a.name, ChangeSetName: aws.String("first"), ChangeSetType: types.ChangeSetTypeCreate,
			TemplateBody: aws.String(template(t, object{"A": topic("a", nil)}, nil)),
		}
		change(in)
		_, err := a.stacks.CreateChangeSet(t.Context(), in)
		return err
	}
	role := template(t, object{"R": object{"Type": "AWS::IAM::Role", "Properties": object{"RoleName": "r", "AssumeRolePolicyDocument": object{}}}}, nil)
	for want, change := range map[string]func(*cloudformation.CreateChangeSetInput){
		"Requires capabilities : [CAPABILITY_NAMED_IAM]": func(in *cloudformation.CreateChangeSetInput) { in.TemplateBody = &role },
		"less than or equal to 51200": func(in *cloudformation.CreateChangeSetInput) {
			in.TemplateBody = aws.String(strings.Repeat(" ", 51201))
		},
		"does not exist": func(in *cloudformation.CreateChangeSetInput) { in.ChangeSetType = types.ChangeSetTypeUpdate },
		"not known here": func(in *cloudformation.CreateChangeSetInput) {
			in.RoleARN = aws.String("arn:aws:iam::123456789012:role/r")
		},
		"changeSetName":                        func(in *cloudformation.CreateChangeSetInput) { in.ChangeSetName = aws.String("1") },
		"Either Template URL or Template Body": func(in *cloudformation.CreateChangeSetInput) { in.TemplateBody = nil },
	} {
		if err := create(change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	none := &cloudformation.DescribeStacksInput{StackName: &a.name}
	if _, err := a.stacks.DescribeStacks(t.Context(), none); awsloop.ErrorCode(err) != "ValidationError" || !strings.Contains(err.Error(), "Stack with id "+a.name+" does not exist") {
		t.Errorf("a refused change set leaves a stack: %v", err)
	}
	first := a.change(types.ChangeSetTypeCreate, template(t, object{"A": topic("a", nil)}, nil), nil)
	second := a.change(types.ChangeSetTypeCreate, template(t, object{"B": topic("b", nil)}, nil), nil)
	a.execute(first, types.StackStatusCreateComplete)
	_, err := a.stacks.ExecuteChangeSet(t.Context(), &cloudformation.ExecuteChangeSetInput{ChangeSetName: second.ChangeSetId})
	if awsloop.ErrorCode(err) != "InvalidChangeSetStatus" || !strings.Contains(err.Error(), "OBSOLETE") {
		t.Errorf("%v", err)
	}
	if err := create(func(*cloudformation.CreateChangeSetInput) {}); err == nil || !strings.Contains(err.Error(), "already exists and cannot be created again") {
		t.Errorf("%v", err)
	}
	listed, err := a.stacks.ListChangeSets(t.Context(), &cloudformation.ListChangeSetsInput{StackName: &a.name})
	if err != nil || len(listed.Summaries) != 2 || listed.Summaries[0].ExecutionStatus != types.ExecutionStatusExecuteComplete {
		t.Errorf("%+v, %v", listed, err)
	}
	if _, err := a.stacks.DeleteChangeSet(t.Context(), &cloudformation.DeleteChangeSetInput{ChangeSetName: second.ChangeSetId}); err != nil {
		t.Error(err)
	}
	_, err = a.stacks.DescribeChangeSet(t.Context(), &cloudformation.DescribeChangeSetInput{ChangeSetName: second.ChangeSetId})
	if awsloop.ErrorCode(err) != "ChangeSetNotFound" {
		t.Errorf("%v", err)
	}
	// The previous template and parameters can be kept.
	kept, err := a.stacks.CreateChangeSet(t.Context(), &cloudformation.CreateChangeSetInput{
		StackName: &a.name, ChangeSetName: aws.String("tags"), UsePreviousTemplate: aws.Bool(true), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	tagged := a.await(kept.Id)
	if len(tagged.Changes) != 1 || tagged.Changes[0].ResourceChange.Scope[0] != types.ResourceAttributeTags {
		t.Errorf("%+v", tagged)
	}
}

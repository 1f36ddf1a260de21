package template

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/solocron/solocron/awsloop/mototest"
	"github.com/solocron/solocron/ledger/dynamoledger"
)

// The table is the one that the ledger wants.
func TestTableIsTheLedgers(t *testing.T) {
	t.Parallel()
	have, want := newTable("cron"), dynamoledger.Schema("cron")
	got := &dynamodb.CreateTableInput{TableName: &have.TableName, BillingMode: dynamotypes.BillingMode(have.BillingMode)}
	for _, a := range have.AttributeDefinitions {
		got.AttributeDefinitions = append(got.AttributeDefinitions, dynamotypes.AttributeDefinition{
			AttributeName: &a.AttributeName, AttributeType: dynamotypes.ScalarAttributeType(a.AttributeType),
		})
	}
	for _, k := range have.KeySchema {
		got.KeySchema = append(got.KeySchema, dynamotypes.KeySchemaElement{AttributeName: &k.AttributeName, KeyType: dynamotypes.KeyType(k.KeyType)})
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(dynamodb.CreateTableInput{}, dynamotypes.AttributeDefinition{}, dynamotypes.KeySchemaElement{})); diff != "" {
		t.Error(diff)
	}
}

// moto makes a stack of it. It passes over the types that it doesn't know, so
// those that it has to know are named.
func TestMotoMakesTheStack(t *testing.T) {
	t.Parallel()
	cfg := mototest.Config(t, mototest.Start(t))
	storage := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := storage.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket:                    aws.String("template-code"),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: mototest.Region},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := storage.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("template-code"), Key: aws.String("key"), Body: bytes.NewReader([]byte("PK"))}); err != nil {
		t.Fatal(err)
	}
	i := load(t, full)
	stacks := cloudformation.NewFromConfig(cfg)
	in := &cloudformation.CreateStackInput{
		StackName: &i.Name, TemplateBody: aws.String(string(cloudFormation(t, newTemplate(t, i, Options{})))),
		Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
		Parameters: []types.Parameter{
			{ParameterKey: aws.String(CodeBucket), ParameterValue: aws.String("template-code")},
			{ParameterKey: aws.String(CodeKey), ParameterValue: aws.String("key")},
		},
	}
	if _, err := stacks.CreateStack(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	name := &cloudformation.DescribeStacksInput{StackName: &i.Name}
	if err := cloudformation.NewStackCreateCompleteWaiter(stacks).Wait(t.Context(), name, time.Minute); err != nil {
		t.Fatal(err)
	}
	out, err := stacks.DescribeStacks(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, o := range out.Stacks[0].Outputs {
		told = append(told, aws.ToString(o.OutputKey)+" "+aws.ToString(o.OutputValue))
	}
	slices.Sort(told)
	arn := ":" + mototest.Region + ":123456789012:"
	if diff := cmp.Diff([]string{
		"FunctionArn arn:aws:lambda" + arn + "function:cron-full",
		"TableName cron-full",
		"TopicCronAlerts2" + short("cron_Alerts2") + "Arn arn:aws:sns" + arn + "cron_Alerts2",
		"TopicCronAlertsArn arn:aws:sns" + arn + "cron-alerts",
		"TopicCronChatArn arn:aws:sns" + arn + "cron-chat",
		"TopicReportsArn arn:aws:sns" + arn + "reports",
	}, told); diff != "" {
		t.Error(diff)
	}
	made, err := stacks.DescribeStackResources(t.Context(), &cloudformation.DescribeStackResourcesInput{StackName: &i.Name})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, r := range made.StackResources {
		kinds[aws.ToString(r.ResourceType)]++
	}
	for kind, want := range map[string]int{
		"AWS::Lambda::Function": 1, "AWS::IAM::Role": 3, "AWS::DynamoDB::Table": 1, "AWS::SNS::Topic": 4, "AWS::SSM::Document": 1,
		"AWS::Events::Rule": 2, "AWS::SQS::Queue": 2, "AWS::Logs::LogGroup": 1,
	} {
		if kinds[kind] != want {
			t.Errorf("%d of %s were made, want %d", kinds[kind], kind, want)
		}
	}
}

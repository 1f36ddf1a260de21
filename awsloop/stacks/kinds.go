package stacks

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// services are the clients that make resources.
type services struct {
	lambda    *lambda.Client
	iam       *iam.Client
	logs      *cloudwatchlogs.Client
	dynamodb  *dynamodb.Client
	sns       *sns.Client
	sqs       *sqs.Client
	ssm       *ssm.Client
	events    *eventbridge.Client
	scheduler *scheduler.Client
	alarms    *cloudwatch.Client
}

func newServices(c aws.Config) *services {
	return &services{
		lambda: lambda.NewFromConfig(c), iam: iam.NewFromConfig(c), logs: cloudwatchlogs.NewFromConfig(c),
		dynamodb: dynamodb.NewFromConfig(c), sns: sns.NewFromConfig(c), sqs: sqs.NewFromConfig(c), ssm: ssm.NewFromConfig(c),
		events: eventbridge.NewFromConfig(c), scheduler: scheduler.NewFromConfig(c), alarms: cloudwatch.NewFromConfig(c),
	}
}

// kinds are the types of resources that are known.
var kinds = map[string]kind{
	"AWS::Lambda::Function": {
		properties: []string{
			"Architectures", "Code", "Description", "Environment", "FunctionName", "Handler", "LoggingConfig", "MemorySize",
			"PackageType", "Role", "Runtime", "Tags", "Timeout",
		},
		required: []string{"Code", "Role"}, fixed: []string{"FunctionName", "PackageType"},
		name: "FunctionName", limit: 64, attributes: []string{"Arn"},
		create: createFunction, update: updateFunction, remove: removeFunction,
	},
	"AWS::Lambda::Permission": {
		properties: []string{"Action", "FunctionName", "Principal", "SourceAccount", "SourceArn"},
		required:   []string{"Action", "FunctionName", "Principal"},
		fixed:      []string{"Action", "FunctionName", "Principal", "SourceAccount", "SourceArn"},
		limit:      100, attributes: []string{"Id"},
		create: createPermission, remove: removePermission,
	},
	"AWS::Lambda::EventInvokeConfig": {
		properties: []string{"DestinationConfig", "FunctionName", "MaximumEventAgeInSeconds", "MaximumRetryAttempts", "Qualifier"},
		required:   []string{"FunctionName", "Qualifier"}, fixed: []string{"FunctionName", "Qualifier"},
		limit:  100,
		create: createInvokeConfig, update: updateInvokeConfig, remove: removeInvokeConfig,
	},
	"AWS::IAM::Role": {
		properties: []string{
			"AssumeRolePolicyDocument", "Description", "ManagedPolicyArns", "MaxSessionDuration", "Path", "Policies", "RoleName", "Tags",
		},
		required: []string{"AssumeRolePolicyDocument"}, fixed: []string{"Path", "RoleName"},
		name: "RoleName", limit: 64, attributes: []string{"Arn", "RoleId"},
		create: createRole, update: updateRole, remove: removeRole,
	},
	"AWS::Logs::LogGroup": {
		properties: []string{"LogGroupClass", "LogGroupName", "RetentionInDays", "Tags"}, fixed: []string{"LogGroupName"},
		name: "LogGroupName", limit: 512, attributes: []string{"Arn"},
		create: createLogGroup, update: updateLogGroup, remove: removeLogGroup,
	},
	"AWS::DynamoDB::Table": {
		properties: []string{
			"AttributeDefinitions", "BillingMode", "DeletionProtectionEnabled", "KeySchema", "PointInTimeRecoverySpecification",
			"SSESpecification", "TableName", "Tags", "TimeToLiveSpecification",
		},
		required: []string{"KeySchema"}, fixed: []string{"TableName", "KeySchema"},
		name: "TableName", limit: 255, attributes: []string{"Arn"},
		create: createTable, update: updateTable, remove: removeTable,
	},
	"AWS::SNS::Topic": {
		properties: []string{"DisplayName", "KmsMasterKeyId", "Tags", "TopicName"}, fixed: []string{"TopicName"},
		name: "TopicName", limit: 256, attributes: []string{"TopicArn", "TopicName"},
		create: createTopic, update: updateTopic, remove: removeTopic,
	},
	"AWS::SNS::Subscription": {
		properties: []string{"Endpoint", "FilterPolicy", "Protocol", "RawMessageDelivery", "TopicArn"},
		required:   []string{"Protocol", "TopicArn"}, fixed: []string{"Endpoint", "Protocol", "TopicArn"},
		attributes: []string{"Arn"},
		create:     createSubscription, update: updateSubscription, remove: removeSubscription,
	},
	"AWS::SNS::TopicPolicy": {
		properties: []string{"PolicyDocument", "Topics"}, required: []string{"PolicyDocument", "Topics"},
		limit: 100, attributes: []string{"Id"},
		create: createTopicPolicy, update: updateTopicPolicy, remove: removeTopicPolicy,
	},
	"AWS::SQS::Queue": {
		properties: append([]string{"QueueName", "Tags"}, queueAttributes...), fixed: []string{"QueueName"},
		name: "QueueName", limit: 80, attributes: []string{"Arn", "QueueName", "QueueUrl"},
		create: createQueue, update: updateQueue, remove: removeQueue,
	},
	"AWS::SQS::QueuePolicy": {
		properties: []string{"PolicyDocument", "Queues"}, required: []string{"PolicyDocument", "Queues"},
		limit: 100, attributes: []string{"Id"},
		create: createQueuePolicy, update: updateQueuePolicy, remove: removeQueuePolicy,
	},
	"AWS::SSM::Document": {
		properties: []string{"Content", "DocumentFormat", "DocumentType", "Name", "Tags", "TargetType", "UpdateMethod"},
		required:   []string{"Content"}, fixed: []string{"DocumentType", "Name"}, fixedIn: documentReplaces,
		name: "Name", limit: 128,
		create: createDocument, update: updateDocument, remove: removeDocument,
	},
	"AWS::Events::Rule": {
		properties: []string{"Description", "EventPattern", "Name", "ScheduleExpression", "State", "Tags", "Targets"}, fixed: []string{"Name"},
		name: "Name", limit: 64, attributes: []string{"Arn"},
		create: createRule, update: updateRule, remove: removeRule,
	},
	"AWS::Scheduler::ScheduleGroup": {
		properties: []string{"Name", "Tags"}, fixed: []string{"Name"},
		name: "Name", limit: 64, attributes: []string{"Arn", "CreationDate", "LastModificationDate", "State"},
		create: createScheduleGroup, update: updateScheduleGroup, remove: removeScheduleGroup,
	},
	"AWS::CloudWatch::Alarm": {
		properties: []string{
			"ActionsEnabled", "AlarmActions", "AlarmDescription", "AlarmName", "ComparisonOperator", "DatapointsToAlarm", "Dimensions",
			"EvaluationPeriods", "InsufficientDataActions", "MetricName", "Metrics", "Namespace", "OKActions", "Period", "Statistic", "Tags",
			"Threshold", "TreatMissingData", "Unit",
		},
		required: []string{"ComparisonOperator", "EvaluationPeriods"}, fixed: []string{"AlarmName"},
		name: "AlarmName", limit: 255, attributes: []string{"Arn"},
		create: createAlarm, update: updateAlarm, remove: removeAlarm,
	},
}

package awsloop_test

func ref(id string) object { return object{"Ref": id} }

func att(id, attribute string) object { return object{"Fn::GetAtt": []any{id, attribute}} }

func sub(text string) object { return object{"Fn::Sub": text} }

// everything has a resource of each type. Lists and objects are those of JSON.
func everything() object {
	trust := func(service string) object {
		return object{"Version": "2012-10-17", "Statement": []any{object{
			"Effect": "Allow", "Principal": object{"Service": service}, "Action": "sts:AssumeRole",
		}}}
	}
	may := func(service, action, resource string) object {
		return object{"Version": "2012-10-17", "Statement": []any{object{
			"Effect": "Allow", "Principal": object{"Service": service}, "Action": action, "Resource": att(resource, "Arn"),
		}}}
	}
	topicPolicy := may("cloudwatch.amazonaws.com", "sns:Publish", "Role")
	topicPolicy["Statement"].([]any)[0].(object)["Resource"] = ref("Topic")
	return object{
		"Role": object{"Type": "AWS::IAM::Role", "Properties": object{
			"RoleName": sub("${AWS::StackName}-function"), "AssumeRolePolicyDocument": trust("lambda.amazonaws.com"), "Description": "of the function",
			"Policies": []any{object{"PolicyName": "table", "PolicyDocument": object{"Version": "2012-10-17", "Statement": []any{object{
				"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": sub("arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${AWS::StackName}"),
			}}}}},
		}},
		"Log": object{"Type": "AWS::Logs::LogGroup", "Properties": object{"LogGroupName": sub("/aws/lambda/${AWS::StackName}"), "RetentionInDays": 30}},
		"Function": object{"Type": "AWS::Lambda::Function", "DependsOn": "Log", "Properties": object{
			"FunctionName": ref("AWS::StackName"), "Role": att("Role", "Arn"), "Code": object{"S3Bucket": ref("Bucket"), "S3Key": ref("Key")},
			"Handler": "bootstrap", "Runtime": "provided.al2023", "Architectures": []any{ref("Architecture")}, "Timeout": 60, "MemorySize": 256,
			"Environment": object{"Variables": object{"TABLE": ref("Table"), "LITERAL": sub("${!HOME}")}},
		}},
		"Async": object{"Type": "AWS::Lambda::EventInvokeConfig", "Properties": object{
			"FunctionName": ref("Function"), "Qualifier": "$LATEST", "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 3600,
			"DestinationConfig": object{"OnFailure": object{"Destination": att("Queue", "Arn")}},
		}},
		"Sweeps": object{"Type": "AWS::Lambda::Permission", "Properties": object{
			"Action": "lambda:InvokeFunction", "FunctionName": ref("Function"), "Principal": "events.amazonaws.com",
			"SourceArn": att("Sweep", "Arn"), "SourceAccount": ref("AWS::AccountId"),
		}},
		"Sweep": object{"Type": "AWS::Events::Rule", "Properties": object{
			"Name": sub("${AWS::StackName}-sweep"), "ScheduleExpression": "rate(1 minute)",
			"Targets": []any{object{
				"Id": "function", "Arn": att("Function", "Arn"), "Input": `{"echo":"swept"}`,
				"RetryPolicy": object{"MaximumEventAgeInSeconds": 60}, "DeadLetterConfig": object{"Arn": att("Queue", "Arn")},
			}},
		}},
		"Group": object{"Type": "AWS::Scheduler::ScheduleGroup", "Properties": object{"Name": ref("AWS::StackName")}},
		"Queue": object{"Type": "AWS::SQS::Queue", "Properties": object{
			"QueueName": sub("${AWS::StackName}-undelivered"), "MessageRetentionPeriod": 1209600,
		}},
		"QueuePolicy": object{"Type": "AWS::SQS::QueuePolicy", "Properties": object{
			"Queues": []any{ref("Queue")}, "PolicyDocument": may("events.amazonaws.com", "sqs:SendMessage", "Queue"),
		}},
		"Table": object{"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain", "Properties": object{
			"TableName": ref("AWS::StackName"), "BillingMode": "PAY_PER_REQUEST",
			"AttributeDefinitions":             []any{object{"AttributeName": "pk", "AttributeType": "S"}},
			"KeySchema":                        []any{object{"AttributeName": "pk", "KeyType": "HASH"}},
			"TimeToLiveSpecification":          object{"AttributeName": "ttl", "Enabled": true},
			"PointInTimeRecoverySpecification": object{"PointInTimeRecoveryEnabled": true},
		}},
		"Topic":       object{"Type": "AWS::SNS::Topic", "Properties": object{"DisplayName": "cron"}},
		"TopicPolicy": object{"Type": "AWS::SNS::TopicPolicy", "Properties": object{"Topics": []any{ref("Topic")}, "PolicyDocument": topicPolicy}},
		"Reader": object{"Type": "AWS::SNS::Subscription", "Properties": object{
			"TopicArn": ref("Topic"), "Protocol": "sqs", "Endpoint": att("Queue", "Arn"), "RawMessageDelivery": true,
		}},
		"Document": object{"Type": "AWS::SSM::Document", "Properties": object{
			"Name": sub("${AWS::StackName}-run"), "DocumentType": "Command", "UpdateMethod": "NewVersion", "TargetType": "/",
			"Content": object{"schemaVersion": "2.2", "mainSteps": []any{object{
				"action": "aws:runShellScript", "name": "run", "inputs": object{"runCommand": []any{"true"}},
			}}},
		}},
		"Alarm": object{"Type": "AWS::CloudWatch::Alarm", "Properties": object{
			"AlarmName": sub("${AWS::StackName}-errors"), "Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "Sum",
			"Dimensions": []any{object{"Name": "FunctionName", "Value": ref("Function")}}, "Period": 60, "EvaluationPeriods": 1,
			"ComparisonOperator": "GreaterThanThreshold", "Threshold": 0, "TreatMissingData": "notBreaching", "AlarmActions": []any{ref("Topic")},
		}},
	}
}

var codeParameters = object{
	"Parameters": object{"Bucket": object{"Type": "String"}, "Key": object{"Type": "String"}, "Architecture": object{"Type": "String", "Default": "x86_64"}},
	"Outputs":    object{"Function": object{"Value": att("Function", "Arn"), "Description": "the function"}},
}

package awsloop_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/awsloop/mototest"
)

// calls asks each protocol's service for something, with a body, a query, and
// names that need escaping.
var calls = map[string]func(ctx context.Context, c aws.Config) error{
	"ssm.ListCommands": func(ctx context.Context, c aws.Config) error {
		_, err := ssm.NewFromConfig(c).ListCommands(ctx, &ssm.ListCommandsInput{})
		return err
	},
	"sqs.ListQueues": func(ctx context.Context, c aws.Config) error {
		_, err := sqs.NewFromConfig(c).ListQueues(ctx, &sqs.ListQueuesInput{})
		return err
	},
	"sns.ListTopics": func(ctx context.Context, c aws.Config) error {
		_, err := sns.NewFromConfig(c).ListTopics(ctx, &sns.ListTopicsInput{NextToken: aws.String("a b+c/é")})
		return err
	},
	"autoscaling.DescribeAutoScalingInstances": func(ctx context.Context, c aws.Config) error {
		_, err := autoscaling.NewFromConfig(c).DescribeAutoScalingInstances(ctx, &autoscaling.DescribeAutoScalingInstancesInput{})
		return err
	},
	"ec2.DescribeInstances": func(ctx context.Context, c aws.Config) error {
		_, err := ec2.NewFromConfig(c).DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
		return err
	},
	"scheduler.GetSchedule": func(ctx context.Context, c aws.Config) error {
		_, err := scheduler.NewFromConfig(c).GetSchedule(ctx, &scheduler.GetScheduleInput{Name: aws.String("a.b_c"), GroupName: aws.String("x y&z=")})
		return err
	},
	"monitoring.DescribeAlarms": func(ctx context.Context, c aws.Config) error {
		_, err := cloudwatch.NewFromConfig(c).DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"a"}})
		return err
	},
	"lambda.Invoke": func(ctx context.Context, c aws.Config) error {
		_, err := lambda.NewFromConfig(c).Invoke(ctx, &lambda.InvokeInput{
			FunctionName: aws.String("arn:aws:lambda:us-east-1:123456789012:function:f$x"), Payload: []byte(`{}`),
		})
		return err
	},
}

// newFront answers each service with the protocols' empty success.
func newFront(t *testing.T) *awsloop.Server {
	s := newServer(t, awsloop.Options{})
	empty := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
			w.Write([]byte("<Response><Result/></Response>"))
			return
		}
		w.Write([]byte("{}"))
	})
	for operation := range calls {
		if service, _, _ := strings.Cut(operation, "."); service != "ssm" {
			s.Handle(service, empty)
		}
	}
	return s
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	for _, network := range []bool{false, true} {
		s := newFront(t)
		if network {
			server := httptest.NewServer(s)
			t.Cleanup(server.Close)
			s.SetURL(server.URL)
		}
		for operation, call := range calls {
			if err := call(t.Context(), s.Config("us-east-1")); err != nil && !strings.Contains(err.Error(), "deserialization") {
				t.Errorf("%s: %v", operation, err)
			}
			if n := s.Calls()[operation]; n != 1 {
				t.Errorf("%s: counted %d times in %v", operation, n, s.Calls())
			}
		}
		http.DefaultClient.CloseIdleConnections()
	}
}

func TestForeignKeys(t *testing.T) {
	t.Parallel()
	s := newFront(t)
	id, secret := s.Key()
	keyed := func(id, secret string) aws.Config {
		c := s.Config("us-east-1")
		c.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, nil
		})
		return c
	}
	want := map[string][2]string{ // of a wrong secret, of an unknown key
		"ssm.ListCommands": {"InvalidSignatureException", "UnrecognizedClientException"},
		"sqs.ListQueues":   {"InvalidSignatureException", "UnrecognizedClientException"},
		"sns.ListTopics":   {"SignatureDoesNotMatch", "InvalidClientTokenId"},
		"autoscaling.DescribeAutoScalingInstances": {"SignatureDoesNotMatch", "InvalidClientTokenId"},
		"ec2.DescribeInstances":                    {"SignatureDoesNotMatch", "AuthFailure"},
		"scheduler.GetSchedule":                    {"InvalidSignatureException", "UnrecognizedClientException"},
		"monitoring.DescribeAlarms":                {"InvalidSignatureException", "UnrecognizedClientException"},
		"lambda.Invoke":                            {"InvalidSignatureException", "UnrecognizedClientException"},
	}
	for operation, call := range calls {
		wantCode(t, call(t.Context(), keyed(id, secret+"x")), want[operation][0])
		wantCode(t, call(t.Context(), keyed("AKIAXXXXXXXXXXXXXXXX", secret)), want[operation][1])
	}
	if n := len(s.Calls()); n != 0 {
		t.Errorf("refused calls were counted: %v", s.Calls())
	}
	if err := calls["ssm.ListCommands"](t.Context(), keyed(s.NewKey())); err != nil {
		t.Errorf("a further key: %v", err)
	}
}

func TestThrottleInEachProtocol(t *testing.T) {
	t.Parallel()
	s := newFront(t)
	s.SetKnobs(awsloop.Knobs{Throttle: map[string]awsloop.Knob{"*": {P: 1}}})
	want := map[string]string{
		"sns.ListTopics": "Throttling", "ec2.DescribeInstances": "RequestLimitExceeded",
		"autoscaling.DescribeAutoScalingInstances": "Throttling",
	}
	for operation, call := range calls {
		code := want[operation]
		if code == "" {
			code = "ThrottlingException"
		}
		wantCode(t, call(t.Context(), s.Config("us-east-1")), code)
	}
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	s := newServer(t, awsloop.Options{})
	_, err := ssm.NewFromConfig(s.Config("us-east-1")).DescribeParameters(t.Context(), &ssm.DescribeParametersInput{})
	wantCode(t, err, "UnknownOperationException")
	wantCode(t, calls["sqs.ListQueues"](t.Context(), s.Config("us-east-1")), "ServiceUnavailableException")
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")))
	if answer.Code != http.StatusForbidden || !strings.Contains(answer.Body.String(), "MissingAuthenticationToken") {
		t.Errorf("unsigned: %d %s", answer.Code, answer.Body)
	}
}

// A lost answer is a closed connection on the network, after the call was
// performed.
func TestLostOverTheNetwork(t *testing.T) {
	t.Parallel()
	s := newServer(t, awsloop.Options{})
	if _, err := s.Start(); err != nil {
		t.Fatal(err)
	}
	addInstance(t, s, instanceID(1), answers("", 0))
	s.SetKnobs(awsloop.Knobs{Lost: map[string]awsloop.Knob{"ssm.SendCommand": {P: 1}}})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	config := s.Config("us-east-1")
	config.HTTPClient = &http.Client{Transport: transport}
	c := ssm.NewFromConfig(config)
	_, err := c.SendCommand(t.Context(), &ssm.SendCommandInput{
		DocumentName: aws.String("AWS-RunShellScript"), InstanceIds: []string{instanceID(1)},
		Parameters: map[string][]string{"commands": {"true"}},
	})
	if err == nil || !strings.Contains(err.Error(), "EOF") {
		t.Errorf("got %v, want a closed connection", err)
	}
	listed, err := c.ListCommands(t.Context(), &ssm.ListCommandsInput{})
	if err != nil || len(listed.Commands) != 1 {
		t.Errorf("%d commands, want 1 (%v)", len(listed.Commands), err)
	}
}

// claim is a request that was signed beforehand, as a host posts it.
type claim struct {
	header http.Header
	body   string
	url    string
}

// sign signs an update of the item that only the first passes.
func sign(t *testing.T, s *awsloop.Server, table, item string, at time.Time) claim {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"TableName":                           table,
		"Key":                                 map[string]any{"pk": map[string]string{"S": item}, "sk": map[string]string{"S": "-"}},
		"UpdateExpression":                    "SET #by = :by",
		"ConditionExpression":                 "attribute_not_exists(#by)",
		"ExpressionAttributeNames":            map[string]string{"#by": "by"},
		"ExpressionAttributeValues":           map[string]any{":by": map[string]string{"S": "guard"}},
		"ReturnValuesOnConditionCheckFailure": "ALL_OLD",
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, s.URL()+"/", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.UpdateItem")
	id, secret := s.Key()
	sum := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, r, hex.EncodeToString(sum[:]), "dynamodb", mototest.Region, at)
	if err != nil {
		t.Fatal(err)
	}
	return claim{r.Header, string(body), s.URL() + "/"}
}

// post sends the claim and returns the status and the answer.
func (c claim) post(t *testing.T) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = c.header.Clone()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, text.String()
}

// Claims that were signed beforehand pass through the front to DynamoDB: once,
// in time, and untouched.
func TestClaims(t *testing.T) {
	t.Parallel()
	s := newServer(t, awsloop.Options{Moto: mototest.Start(t), Region: mototest.Region})
	if _, err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	table := "awsloop-claims"
	db := dynamodb.NewFromConfig(s.Config(mototest.Region))
	_, err := db.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	good := sign(t, s, table, "CLAIM#one", now)
	if status, text := good.post(t); status != http.StatusOK {
		t.Errorf("the first: %d %s", status, text)
	}
	if status, text := good.post(t); status != http.StatusBadRequest || !strings.Contains(text, "ConditionalCheckFailed") || !strings.Contains(text, "guard") {
		t.Errorf("the second: %d %s", status, text)
	}
	if n := s.Calls()["dynamodb.UpdateItem"]; n != 2 {
		t.Errorf("%d claims were counted, want 2", n)
	}

	tampered := sign(t, s, table, "CLAIM#two", now)
	tampered.body = strings.Replace(tampered.body, `"guard"`, `"other"`, 1)
	stranger := sign(t, s, table, "CLAIM#two", now)
	stranger.header.Set("Authorization", strings.Replace(stranger.header.Get("Authorization"), "/dynamodb/", "/sqs/", 1))
	redated := sign(t, s, table, "CLAIM#two", now.Add(-6*time.Minute))
	redated.header.Set("X-Amz-Date", now.UTC().Format("20060102T150405Z"))
	for name, test := range map[string]struct {
		claim claim
		want  string
	}{
		"expired":         {sign(t, s, table, "CLAIM#two", now.Add(-5*time.Minute-time.Second)), "Signature expired"},
		"early":           {sign(t, s, table, "CLAIM#two", now.Add(5*time.Minute+30*time.Second)), "Signature not yet current"},
		"tampered":        {tampered, "does not match the signature"},
		"another service": {stranger, "does not match the signature"},
		"another date":    {redated, "does not match the signature"},
	} {
		status, text := test.claim.post(t)
		if status != http.StatusBadRequest || !strings.Contains(text, "InvalidSignatureException") || !strings.Contains(text, test.want) {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	item, err := db.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: &table, Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: "CLAIM#two"}, "sk": &types.AttributeValueMemberS{Value: "-"},
		},
	})
	if err != nil || len(item.Item) != 0 {
		t.Errorf("a refused claim was applied: %v, %v", item, err)
	}
	if status, text := sign(t, s, table, "CLAIM#two", now.Add(-4*time.Minute)).post(t); status != http.StatusOK {
		t.Errorf("in time: %d %s", status, text)
	}
}

// The service's own notices reach a topic in moto.
func TestNotices(t *testing.T) {
	t.Parallel()
	s := newServer(t, awsloop.Options{Moto: mototest.Start(t), Region: mototest.Region})
	addInstance(t, s, instanceID(1), answers("", 1))
	config := s.Config(mototest.Region)
	topics, queues, commands := sns.NewFromConfig(config), sqs.NewFromConfig(config), ssm.NewFromConfig(config)
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("awsloop-notices")})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("awsloop-notices")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = topics.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("sqs"),
		Endpoint: aws.String("arn:aws:sqs:" + mototest.Region + ":123456789012:awsloop-notices"),
	})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := commands.SendCommand(t.Context(), &ssm.SendCommandInput{
		DocumentName: aws.String("AWS-RunShellScript"), InstanceIds: []string{instanceID(1)},
		Parameters:     map[string][]string{"commands": {"false"}},
		ServiceRoleArn: aws.String("arn:aws:iam::123456789012:role/notify"),
		NotificationConfig: &ssmtypes.NotificationConfig{
			NotificationArn: topic.TopicArn, NotificationEvents: []ssmtypes.NotificationEvent{"Failed", "TimedOut"}, NotificationType: "Command",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var body string
	eventually(t, "the notice is in the queue", func() bool {
		got, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Messages) > 0 {
			body = *got.Messages[0].Body
		}
		return body != ""
	})
	for _, want := range []string{*sent.Command.CommandId, `\"status\": \"Failed\"`, `\"expiresAfter\"`} {
		if !strings.Contains(strings.ReplaceAll(body, `\":\"`, `\": \"`), want) {
			t.Errorf("the notice lacks %s: %s", want, body)
		}
	}
}

package awsloop

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// inside is how services call each other: over the same front as everybody, but
// with a key of its own, whose calls aren't counted and which no knob touches.
type inside struct {
	server *Server
	config aws.Config
	iam    *iam.Client
	s3     *s3.Client
	sqs    *sqs.Client

	mu     sync.Mutex
	trusts map[string]trusted
}

// trusted is a trust policy with the time when it was read.
type trusted struct {
	policy string
	at     time.Time
}

// trustLasts is how long a trust policy is believed. AWS doesn't look at each
// call either.
const trustLasts = time.Second

// inside returns the server's only one.
func (s *Server) inside() *inside {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.within == nil {
		s.within = s.newInside()
	}
	return s.within
}

// newInside makes it. Where the server listens is in the URLs that services make
// up; moto takes the first part of a name for a bucket's. s.mu is held.
func (s *Server) newInside() *inside {
	const secret = "of the services themselves"
	s.keys[serviceKey] = secret
	c := aws.Config{
		Region:       s.options.Region,
		BaseEndpoint: aws.String(cmp.Or(s.url, "http://127.0.0.1")),
		HTTPClient:   &http.Client{Transport: s.RoundTripper()},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: serviceKey, SecretAccessKey: secret, Source: "awsloop"}, nil
		}),
	}
	return &inside{
		server: s, config: c, trusts: map[string]trusted{},
		iam: iam.NewFromConfig(c), sqs: sqs.NewFromConfig(c),
		s3: s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }),
	}
}

// serviceKey is the access key of the services.
const serviceKey = "AKIAAWSLOOPSERVICES"

// isService reports whether the request is one of a service; it was verified.
func (s *Server) isService(r *http.Request) bool {
	return credentialOf(r.Header.Get("Authorization")).key == serviceKey
}

// assume says why a service can't assume a role, given its request's context
// keys; nil if it can.
func (i *inside) assume(ctx context.Context, role, service string, keys map[string]string) error {
	i.mu.Lock()
	t, ok := i.trusts[role]
	i.mu.Unlock()
	if !ok || time.Since(t.at) > trustLasts {
		out, err := i.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(role[strings.LastIndex(role, "/")+1:])})
		if err != nil {
			return err
		}
		text, err := url.QueryUnescape(aws.ToString(out.Role.AssumeRolePolicyDocument))
		if err != nil {
			return err
		}
		if aws.ToString(out.Role.Arn) != role {
			return fmt.Errorf("the role of that name is %s", aws.ToString(out.Role.Arn))
		}
		t = trusted{text, time.Now()}
		i.mu.Lock()
		i.trusts[role] = t
		i.mu.Unlock()
	}
	return allows(t.policy, service, "sts:AssumeRole", keys)
}

// send puts a message into the queue of that ARN.
func (i *inside) send(ctx context.Context, queue string, body []byte, attributes map[string]string) error {
	found, err := i.queue(ctx, queue)
	if err != nil {
		return err
	}
	texts := map[string]types.MessageAttributeValue{}
	for name, value := range attributes {
		texts[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	_, err = i.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &found, MessageBody: aws.String(string(body)), MessageAttributes: texts})
	return err
}

func (i *inside) queue(ctx context.Context, arn string) (url string, err error) {
	out, err := i.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(arn[strings.LastIndex(arn, ":")+1:])})
	if err != nil {
		return "", fmt.Errorf("queue %s: %w", arn, err)
	}
	return *out.QueueUrl, nil
}

// queuePolicy is what a queue lets others do.
func (i *inside) queuePolicy(ctx context.Context, arn string) (string, error) {
	found, err := i.queue(ctx, arn)
	if err != nil {
		return "", err
	}
	out, err := i.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &found, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNamePolicy},
	})
	if err != nil {
		return "", err
	}
	return out.Attributes["Policy"], nil
}

package ec2fleet

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// config is how clients of the package's own protocols find the account.
func config(endpoint string, client aws.HTTPClient) aws.Config {
	return aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(endpoint),
		HTTPClient:   client,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
		}),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
			})
		},
	}
}

func options(c aws.Config) Options {
	return Options{
		EC2: ec2.NewFromConfig(c), SSM: ssm.NewFromConfig(c),
		AutoScaling: autoscaling.NewFromConfig(c), ELB: elb.NewFromConfig(c),
	}
}

// whole is a client that reads an answer to its end before it hands it on. The
// SDK closes a request's body as soon as an answer begins, and an answer from
// this machine may begin so soon that this breaks the connection under it: the
// call is then repeated, and the count of calls is off.
type whole struct{ client aws.HTTPClient }

func (c whole) Do(q *http.Request) (*http.Response, error) {
	answer, err := c.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, err
}

package awsloop

import "testing"

func TestAllows(t *testing.T) {
	t.Parallel()
	keys := map[string]string{"aws:SourceArn": "arn:aws:events:us-east-1:1:rule/cron/x", "aws:SourceAccount": "1"}
	for policy, want := range map[string]bool{
		`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage"}`:                                                                                     true,
		`{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","events.amazonaws.com"]},"Action":["sqs:*"]}`:                                                                    true,
		`{"Effect":"Deny","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage"}`:                                                                                      false,
		`{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sqs:SendMessage"}`:                                                                                     false,
		`{"Effect":"Allow","Principal":{"AWS":"events.amazonaws.com"},"Action":"sqs:SendMessage"}`:                                                                                         false,
		`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:ReceiveMessage"}`:                                                                                  false,
		`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:events:us-east-1:1:rule/*"}}}`:       true,
		`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:events:us-east-1:1:rule/other"}}}`: false,
		`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Condition":{"StringEquals":{"aws:SourceAccount":["2","1"]}}}`:                        true,
		`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Condition":{"StringEquals":{"aws:SourceAccount":"1","aws:SourceArn":"x"}}}`:          false,
		`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Condition":{"StringEquals":{"aws:SourceOrgID":"o"}}}`:                                false,
		`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Condition":{"StringEqualsIfExists":{"aws:SourceOrgID":"o"}}}`:                        true,
		`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Condition":{"ArnLikeIfExists":{"aws:SourceArn":["arn:aws:sns:*"]}}}`:                 false,
		`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Condition":{"IpAddress":{"aws:SourceAccount":"1"}}}`:                                 false,
	} {
		err := allows(`{"Version":"2012-10-17","Statement":[`+policy+`]}`, "events.amazonaws.com", "sqs:SendMessage", keys)
		if (err == nil) != want {
			t.Errorf("%s: %v", policy, err)
		}
	}
	if allows("", "events.amazonaws.com", "sqs:SendMessage", keys) == nil {
		t.Error("without a policy it is allowed")
	}
}

func FuzzAllows(f *testing.F) {
	f.Add(`{"Statement":[{"Effect":"Allow","Principal":{"Service":["a"]},"Action":"s:*","Condition":{"ArnLike":{"k":["a*","b"]}}}]}`)
	f.Fuzz(func(_ *testing.T, policy string) {
		allows(policy, "a", "s:b", map[string]string{"k": "a/b"})
	})
}

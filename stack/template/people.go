package template

// topic is one that people are told through. Alarms of the same account may be
// sent to it by the policy that SNS gives to a topic.
// https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
type topic struct{ TopicName string }

func (topic) kind() kind { return kind{"AWS::SNS::Topic", "aws_sns_topic", "arn"} }

func (t topic) terraform(m *module, r *Resource) { m.resource(r).set("name", t.TopicName) }

// subscription sends a topic's messages to an address, once its owner agreed.
type subscription struct {
	TopicArn reference
	Protocol string
	Endpoint string
}

func (subscription) kind() kind {
	return kind{"AWS::SNS::Subscription", "aws_sns_topic_subscription", "arn"}
}

func (s subscription) terraform(m *module, r *Resource) {
	b := m.resource(r)
	b.set("topic_arn", s.TopicArn)
	b.set("protocol", s.Protocol)
	b.set("endpoint", s.Endpoint)
}

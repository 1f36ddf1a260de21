package stacks

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func createTopic(ctx context.Context, s *services, r physical) (made, error) {
	var tags []types.Tag
	for key, value := range r.tags() {
		tags = append(tags, types.Tag{Key: &key, Value: &value})
	}
	out, err := s.sns.CreateTopic(ctx, &sns.CreateTopicInput{Name: &r.ID, Tags: tags})
	if err != nil {
		return made{}, err
	}
	name := r.ID
	r.ID = *out.TopicArn
	m, err := updateTopic(ctx, s, physical{}, r)
	m.attributes["TopicName"] = name
	return m, err
}

func updateTopic(ctx context.Context, s *services, old, r physical) (made, error) {
	m := made{r.ID, map[string]string{"TopicArn": r.ID, "TopicName": r.text("TopicName")}}
	attributes := []string{"DisplayName", "KmsMasterKeyId"}
	for _, name := range differing(old.only(attributes), r.only(attributes)) {
		_, err := s.sns.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: &r.ID, AttributeName: &name, AttributeValue: aws.String(r.text(name))})
		if err != nil {
			return m, err
		}
	}
	return m, nil
}

func removeTopic(ctx context.Context, s *services, r physical) error {
	_, err := s.sns.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: &r.ID})
	return unlessAbsent(err)
}

func createSubscription(ctx context.Context, s *services, r physical) (made, error) {
	in := &sns.SubscribeInput{ReturnSubscriptionArn: true}
	if err := r.fill(in, "FilterPolicy", "RawMessageDelivery"); err != nil {
		return made{}, err
	}
	out, err := s.sns.Subscribe(ctx, in)
	if err != nil {
		return made{}, err
	}
	r.ID = *out.SubscriptionArn
	return updateSubscription(ctx, s, physical{}, r)
}

func updateSubscription(ctx context.Context, s *services, old, r physical) (made, error) {
	m := made{r.ID, map[string]string{"Arn": r.ID}}
	attributes := []string{"FilterPolicy", "RawMessageDelivery"}
	for _, name := range differing(old.only(attributes), r.only(attributes)) {
		_, err := s.sns.SetSubscriptionAttributes(ctx, &sns.SetSubscriptionAttributesInput{
			SubscriptionArn: &r.ID, AttributeName: &name, AttributeValue: aws.String(r.document(name)),
		})
		if err != nil {
			return m, err
		}
	}
	return m, nil
}

func removeSubscription(ctx context.Context, s *services, r physical) error {
	_, err := s.sns.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &r.ID})
	return unlessAbsent(err)
}

func createTopicPolicy(ctx context.Context, s *services, r physical) (made, error) {
	return updateTopicPolicy(ctx, s, physical{}, r)
}

func updateTopicPolicy(ctx context.Context, s *services, _, r physical) (made, error) {
	for _, topic := range r.list("Topics") {
		_, err := s.sns.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{
			TopicArn: &topic, AttributeName: aws.String("Policy"), AttributeValue: aws.String(r.document("PolicyDocument")),
		})
		if err != nil {
			return made{}, err
		}
	}
	return made{r.ID, map[string]string{"Id": r.ID}}, nil
}

// removeTopicPolicy leaves the policy in force, as a topic always has one; it
// goes with the topic.
func removeTopicPolicy(context.Context, *services, physical) error { return nil }

// queueAttributes are the properties of a queue that are attributes of its API.
var queueAttributes = []string{
	"DelaySeconds", "KmsMasterKeyId", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds",
	"RedriveAllowPolicy", "RedrivePolicy", "SqsManagedSseEnabled", "VisibilityTimeout",
}

func (p properties) queueAttributes() map[string]string {
	attributes := map[string]string{}
	for name := range p.only(queueAttributes) {
		attributes[name] = p.document(name)
	}
	return attributes
}

// createQueue fails where there is one of the name, though the API may take
// that for success.
func createQueue(ctx context.Context, s *services, r physical) (made, error) {
	if _, err := s.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &r.ID}); err == nil {
		return made{}, refused("QueueAlreadyExists", "Resource of type 'AWS::SQS::Queue' with identifier '"+r.ID+"' already exists.")
	}
	out, err := s.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &r.ID, Attributes: r.queueAttributes(), Tags: r.tags()})
	if err != nil {
		return made{}, err
	}
	return s.queue(ctx, *out.QueueUrl, r.ID)
}

func (s *services) queue(ctx context.Context, url, name string) (made, error) {
	out, err := s.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return made{ID: url}, err
	}
	return made{url, map[string]string{"Arn": out.Attributes["QueueArn"], "QueueName": name, "QueueUrl": url}}, nil
}

func updateQueue(ctx context.Context, s *services, _, r physical) (made, error) {
	if attributes := r.queueAttributes(); len(attributes) > 0 {
		if _, err := s.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &r.ID, Attributes: attributes}); err != nil {
			return made{}, err
		}
	}
	return s.queue(ctx, r.ID, r.text("QueueName"))
}

func removeQueue(ctx context.Context, s *services, r physical) error {
	_, err := s.sqs.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &r.ID})
	return unlessAbsent(err)
}

func createQueuePolicy(ctx context.Context, s *services, r physical) (made, error) {
	return updateQueuePolicy(ctx, s, physical{}, r)
}

func updateQueuePolicy(ctx context.Context, s *services, _, r physical) (made, error) {
	return made{r.ID, map[string]string{"Id": r.ID}}, s.setQueuePolicy(ctx, r, r.document("PolicyDocument"))
}

func (s *services) setQueuePolicy(ctx context.Context, r physical, policy string) error {
	for _, url := range r.list("Queues") {
		_, err := s.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"Policy": policy}})
		if err != nil {
			return err
		}
	}
	return nil
}

func removeQueuePolicy(ctx context.Context, s *services, r physical) error {
	return unlessAbsent(s.setQueuePolicy(ctx, r, ""))
}

package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/deploy"
)

// maxSkew is how far this machine's clock may be off before it is worth a word.
// AWS refuses signatures that are 5 minutes off.
const maxSkew = 30 * time.Second

// credentials are asked who they are; the answer's date tells the clock.
func (d *Doctor) credentials(ctx context.Context) (stack.Place, Finding) {
	out, err := d.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return stack.Place{}, wrong("credentials", err, "log in, or set AWS_PROFILE; and see that this machine's clock is right")
	}
	found := fine("credentials", "%s", aws.ToString(out.Arn))
	who, _ := arn.Parse(aws.ToString(out.Arn)) // an odd one leaves the partition to its default
	place := stack.Place{Partition: cmp.Or(who.Partition, "aws"), Region: d.Installation.Region, Account: aws.ToString(out.Account)}
	if server, ok := middleware.GetServerTime(out.ResultMetadata); ok {
		found.Below = append(found.Below, clock(d.Now().Sub(server)))
	}
	return place, found
}

// clock judges how far this machine is ahead. The answer's date has whole
// seconds and is as old as the answer took.
func clock(skew time.Duration) Finding {
	if skew.Abs() <= maxSkew {
		return fine("clock", "as AWS's, to %s", maxSkew)
	}
	ahead := "ahead of"
	if skew < 0 {
		ahead = "behind"
	}
	return Finding{
		Step: "clock", Health: Warning, Remedy: "have the clock set by NTP",
		Says: fmt.Sprintf("this machine's is %s %s AWS's", skew.Abs().Round(time.Second), ahead),
	}
}

const applyIt = "solocron plan shows the difference, solocron apply makes up for it"

func (d *Doctor) stack(ctx context.Context) (*deploy.Plan, Finding) {
	p, err := d.Plan(ctx)
	switch {
	case err != nil:
		return nil, wrong("stack", err, "")
	case p.Stack.Elsewhere:
		return p, fine("stack", "left to who made it")
	case p.Stack.Status == "":
		return p, Finding{Step: "stack", Health: Bad, Says: "there is none", Remedy: "solocron apply makes it"}
	case p.Stack.Action != deploy.None:
		return p, Finding{Step: "stack", Health: Warning, Remedy: applyIt,
			Says: fmt.Sprintf("%s, and not as the file says: %d resources would change", p.Stack.Status, len(p.Stack.Resources))}
	}
	return p, fine("stack", "%s, as the file says", p.Stack.Status)
}

func (d *Doctor) function(ctx context.Context) Finding {
	release, err := d.Scheduler.Release(ctx)
	switch {
	case err != nil:
		return wrong("function", err, "its log group "+d.Installation.LogGroup()+" has more")
	case release != d.Release:
		return Finding{Step: "function", Health: Warning, Remedy: "solocron apply brings it to this version",
			Says: fmt.Sprintf("it runs solocron %s, and this is %s", release, d.Release)}
	}
	return fine("function", "it answers, solocron %s", release)
}

// jobs are held against the file.
func jobs(p *deploy.Plan) Finding {
	found := fine("jobs", "%d, as the file says", p.Unchanged)
	count := map[deploy.Action]int{}
	for _, j := range p.Jobs {
		count[j.Action]++
	}
	for _, said := range p.Paused {
		name, by, _ := strings.Cut(said, ", ")
		found.Below = append(found.Below, Finding{Step: name, Health: Warning, Says: "paused " + by, Remedy: "solocron resume " + name})
	}
	if n := len(p.Jobs); n > 0 {
		found = Finding{Step: "jobs", Health: Warning, Remedy: applyIt, Below: found.Below, Says: fmt.Sprintf(
			"%d to add, %d to change, %d to remove, %d not in the file", count[deploy.Create], count[deploy.Update], count[deploy.Delete], count[deploy.Leave])}
	}
	schedules := fine("schedules", "%d, as the file says", p.Schedules.Keep)
	if p.Schedules.Create+p.Schedules.Delete > 0 {
		schedules = Finding{Step: "schedules", Health: Warning, Remedy: applyIt, Says: fmt.Sprintf(
			"%d are missing, %d too many; what they miss the sweep starts about a minute late", p.Schedules.Create, p.Schedules.Delete)}
	}
	for _, name := range p.Schedules.Disabled {
		schedules.Below = append(schedules.Below, Finding{Step: name, Health: Warning,
			Says: "switched off by hand; the sweep starts its job all the same", Remedy: "to stop the job, solocron pause; then delete the schedule and apply"})
	}
	found.Below = append(found.Below, schedules)
	return found
}

// hosts are those that each selector finds now.
func hosts(p *deploy.Plan) Finding {
	found := fine("hosts", "every job has one")
	for _, h := range p.Hosts {
		step := "any"
		if len(h.Selector) > 0 {
			step = fleet.Selector(h.Selector).String()
		}
		switch {
		case h.Error != "":
			found.Health, found.Says = Bad, "the fleet could not be listed"
			found.Below = append(found.Below, Finding{Step: step, Health: Bad, Says: h.Error, Remedy: "solocron iam prints the rights that it takes"})
		case len(h.Match) == 0:
			found.Health, found.Says = Bad, "there are jobs without any"
			found.Below = append(found.Below, Finding{Step: step, Health: Bad, Says: "none for " + strings.Join(h.Jobs, ", "),
				Remedy: "tag instances, start them, or see to their SSM agent and instance profile", Below: rejected(h.Others)})
		default:
			found.Below = append(found.Below, fine(step, "%s", strings.Join(h.Match, " ")))
		}
	}
	return found
}

func rejected(others []deploy.Rejected) (below []Finding) {
	for _, o := range others {
		below = append(below, Finding{Step: o.Host, Health: Warning, Says: o.Reason})
	}
	return below
}

// document is looked at as commands use it: in its default version.
func (d *Doctor) document(ctx context.Context) Finding {
	name := d.Installation.File.Fleet.EC2.Document
	if !d.Installation.OwnDocument() {
		return fine("document", "%s, AWS's own", name)
	}
	out, err := d.SSM.GetDocument(ctx, &ssm.GetDocumentInput{Name: &name, DocumentFormat: types.DocumentFormatJson})
	switch {
	case err != nil:
		return wrong("document", err, "solocron apply makes it")
	case !stack.SameJSON([]byte(aws.ToString(out.Content)), guard.Document()):
		return Finding{Step: "document", Health: Bad, Remedy: "solocron apply makes this solocron's guard its default version",
			Says: fmt.Sprintf("version %s of %s, the default, is not this solocron's guard", aws.ToString(out.DocumentVersion), name)}
	}
	return fine("document", "%s, version %s, is this solocron's guard", name, aws.ToString(out.DocumentVersion))
}

// claim has the first host that a job may run on go through a start.
func (d *Doctor) claim(ctx context.Context, p *deploy.Plan) Finding {
	host := ""
	for _, h := range p.Hosts {
		if host == "" && len(h.Match) > 0 {
			host = h.Match[0]
		}
	}
	if host == "" {
		return Finding{Step: "claim", Health: Unknown, Says: "not looked at: there is no host"}
	}
	unclaimed := d.Installation.File.Fleet.EC2.Claims == ""
	if err := d.Scheduler.Rehearse(ctx, host, unclaimed); err != nil {
		return wrong("claim", err, "the host needs curl, GNU wget or python3, and a way to DynamoDB in "+d.Installation.Region+
			" (a gateway endpoint will do); claim: off does without")
	}
	if unclaimed {
		return fine("claim", "%s started a command without one", host)
	}
	return fine("claim", "%s claimed and started a command", host)
}

// topics without a confirmed subscription tell nobody.
func (d *Doctor) topics(ctx context.Context, place stack.Place) Finding {
	found := fine("topics", "each has subscribers")
	all := d.Installation.TopicARNs()
	if len(all) == 0 {
		return Finding{Step: "topics", Health: Warning, Says: "the file has none: nobody is told of a failure",
			Remedy: "notify: {targets: {ops: {sns: {topic: " + d.Installation.Name + ", email: [you@example.com]}}}}"}
	}
	for _, topic := range all {
		one := d.topic(ctx, place.Fill(topic))
		if one.Health != OK {
			found.Health, found.Says = one.Health, "there are topics that tell nobody"
		}
		found.Below = append(found.Below, one)
	}
	return found
}

func (d *Doctor) topic(ctx context.Context, topic string) Finding {
	confirmed, pending := 0, 0
	where, err := arn.Parse(topic)
	if err != nil {
		return wrong(topic, err, "")
	}
	pages := sns.NewListSubscriptionsByTopicPaginator(d.SNS, &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, func(o *sns.Options) { o.Region = where.Region })
		if err != nil {
			return wrong(topic, err, "solocron apply makes topics that the file gives by name")
		}
		for _, s := range page.Subscriptions {
			// https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html
			if aws.ToString(s.SubscriptionArn) == "PendingConfirmation" {
				pending++
			} else {
				confirmed++
			}
		}
	}
	switch {
	case confirmed > 0:
		return fine(topic, "%d confirmed, %d pending", confirmed, pending)
	case pending > 0:
		return Finding{Step: topic, Health: Warning, Says: fmt.Sprintf("%d subscriptions, none of them confirmed", pending), Remedy: "follow the link in the mail from AWS"}
	}
	return Finding{Step: topic, Health: Warning, Says: "nobody is subscribed", Remedy: "aws sns subscribe --topic-arn " + topic + " --protocol email --notification-endpoint you@example.com"}
}

// undelivered are the messages in the dead-letter queues.
func (d *Doctor) undelivered(ctx context.Context, place stack.Place) Finding {
	found := fine("undelivered", "nothing")
	for _, queue := range []string{d.Installation.ScheduleQueue(), d.Installation.EventQueue()} {
		n, err := d.waiting(ctx, queue, place)
		switch {
		case err != nil:
			return wrong("undelivered", err, "solocron apply makes the queues")
		case n > 0:
			found.Health, found.Says = Warning, "there is something"
			found.Below = append(found.Below, Finding{Step: queue, Health: Warning, Says: fmt.Sprintf("%d messages", n),
				Remedy: "look at them with aws sqs receive-message, see to their cause, then purge the queue"})
		}
	}
	return found
}

func (d *Doctor) waiting(ctx context.Context, queue string, place stack.Place) (int, error) {
	at, err := d.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &queue, QueueOwnerAWSAccountId: &place.Account})
	if err != nil {
		return 0, err
	}
	const attribute = sqstypes.QueueAttributeNameApproximateNumberOfMessages
	out, err := d.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: at.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{attribute}})
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(out.Attributes[string(attribute)])
	if err != nil {
		return 0, errors.New("queue " + queue + " doesn't say how many messages it has")
	}
	return n, nil
}

package template

// rule hands events over to the function.
type rule struct {
	Name               string
	Description        string
	ScheduleExpression string   `json:",omitempty"`
	EventPattern       *pattern `json:",omitempty"`
	State              string
	Targets            []target
}

// pattern is what the events of a rule have in common.
type pattern struct {
	Source     []string      `json:"source"`
	DetailType []string      `json:"detail-type"`
	Detail     patternDetail `json:"detail"`
}

type patternDetail struct {
	DocumentName []string `json:"document-name"`
}

type target struct {
	ID               string `json:"Id"`
	Arn              reference
	Input            *embedded `json:",omitempty"` // nil for the event itself
	RetryPolicy      retryPolicy
	DeadLetterConfig deadLetters
}

type retryPolicy struct{ MaximumEventAgeInSeconds, MaximumRetryAttempts int }

type deadLetters struct{ Arn reference }

func (rule) kind() kind { return kind{"AWS::Events::Rule", "aws_cloudwatch_event_rule", "name"} }

// To Terraform a rule's target is a resource apart.
func (p rule) terraform(m *module, r *Resource) {
	b := m.resource(r)
	b.set("name", p.Name)
	b.set("description", p.Description)
	if p.ScheduleExpression != "" {
		b.set("schedule_expression", p.ScheduleExpression)
	}
	if p.EventPattern != nil {
		b.set("event_pattern", embedded{p.EventPattern})
	}
	b.set("state", p.State)
	for _, t := range p.Targets {
		b := m.part("aws_cloudwatch_event_target", r)
		b.set("rule", r.ref())
		b.set("target_id", t.ID)
		b.set("arn", t.Arn)
		if t.Input != nil {
			b.set("input", *t.Input)
		}
		retry := b.block("retry_policy")
		retry.set("maximum_event_age_in_seconds", t.RetryPolicy.MaximumEventAgeInSeconds)
		retry.set("maximum_retry_attempts", t.RetryPolicy.MaximumRetryAttempts)
		b.block("dead_letter_config").set("arn", t.DeadLetterConfig.Arn)
	}
}

// queue keeps what could not be delivered.
type queue struct {
	QueueName              string
	MessageRetentionPeriod int // seconds
	SqsManagedSseEnabled   bool
}

func (queue) kind() kind { return kind{"AWS::SQS::Queue", "aws_sqs_queue", "url"} }

func (q queue) terraform(m *module, r *Resource) {
	b := m.resource(r)
	b.set("name", q.QueueName)
	b.set("message_retention_seconds", q.MessageRetentionPeriod)
	b.set("sqs_managed_sse_enabled", q.SqsManagedSseEnabled)
}

// queuePolicy lets others than roles send to a queue.
type queuePolicy struct {
	Queues         []reference
	PolicyDocument document
}

func (queuePolicy) kind() kind { return kind{"AWS::SQS::QueuePolicy", "aws_sqs_queue_policy", "id"} }

func (p queuePolicy) terraform(m *module, r *Resource) {
	b := m.resource(r)
	b.set("queue_url", p.Queues[0])
	b.set("policy", embedded{p.PolicyDocument})
}

// scheduleGroup holds the schedules of the jobs. With it they go.
type scheduleGroup struct{ Name string }

func (scheduleGroup) kind() kind {
	return kind{"AWS::Scheduler::ScheduleGroup", "aws_scheduler_schedule_group", "name"}
}

func (g scheduleGroup) terraform(m *module, r *Resource) { m.resource(r).set("name", g.Name) }

package template

type alarm struct {
	AlarmName          string
	AlarmDescription   string
	Namespace          string
	MetricName         string
	Dimensions         []dimension
	Statistic          string
	Period             int // seconds
	EvaluationPeriods  int
	DatapointsToAlarm  int
	ComparisonOperator string
	Threshold          int
	TreatMissingData   string
	AlarmActions       []value `json:",omitempty"`
}

type dimension struct {
	Name  string
	Value value
}

func (alarm) kind() kind {
	return kind{"AWS::CloudWatch::Alarm", "aws_cloudwatch_metric_alarm", "alarm_name"}
}

func (a alarm) terraform(m *module, r *Resource) {
	b := m.resource(r)
	b.set("alarm_name", a.AlarmName)
	b.set("alarm_description", a.AlarmDescription)
	b.set("namespace", a.Namespace)
	b.set("metric_name", a.MetricName)
	dimensions := map[string]value{}
	for _, d := range a.Dimensions {
		dimensions[d.Name] = d.Value
	}
	b.set("dimensions", dimensions)
	b.set("statistic", a.Statistic)
	b.set("period", a.Period)
	b.set("evaluation_periods", a.EvaluationPeriods)
	b.set("datapoints_to_alarm", a.DatapointsToAlarm)
	b.set("comparison_operator", a.ComparisonOperator)
	b.set("threshold", a.Threshold)
	b.set("treat_missing_data", a.TreatMissingData)
	if len(a.AlarmActions) > 0 {
		b.set("alarm_actions", a.AlarmActions)
	}
}

// The usual of an alarm: counted over five minutes.
const period = 300

// tell makes an alarm of more than nothing of a metric. What is repeated by
// itself, and so may happen now and then, is told of when it happens in two of
// three periods.
func (t *Template) tell(id, name, says, namespace, metric string, of dimension, often bool) {
	a := alarm{
		AlarmName: t.installation.Name + "-" + name, AlarmDescription: says,
		Namespace: namespace, MetricName: metric, Dimensions: []dimension{of}, Statistic: "Sum",
		Period: period, EvaluationPeriods: 1, DatapointsToAlarm: 1,
		ComparisonOperator: "GreaterThanThreshold", Threshold: 0, TreatMissingData: "notBreaching",
		AlarmActions: t.alarmed(),
	}
	if often {
		a.EvaluationPeriods, a.DatapointsToAlarm = 3, 2
	}
	t.add(id, a)
}

// alarms watch what solocron can't tell by itself, since it did not run.
func (t *Template) alarms() {
	i := t.installation
	function := dimension{"FunctionName", text(i.Name)}
	t.tell("ErrorsAlarm", "errors", "The function keeps failing. Its log group says why.", "AWS/Lambda", "Errors", function, true)
	t.tell("ThrottlesAlarm", "throttles", "Lambda keeps refusing to run the function: the account's concurrency is used up.", "AWS/Lambda", "Throttles", function, true)
	t.tell("DroppedAlarm", "dropped", "Lambda gave up an event without running the function.", "AWS/Lambda", "AsyncEventsDropped", function, false)

	// https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html
	group := dimension{"ScheduleGroup", text(i.Group())}
	t.tell("ScheduleErrorsAlarm", "schedule-errors", "EventBridge Scheduler keeps failing to invoke the function.", "AWS/Scheduler", "TargetErrorCount", group, true)
	t.tell("ScheduleDroppedAlarm", "schedule-dropped", "EventBridge Scheduler gave up a due time. The sweep starts it if it is not too late.", "AWS/Scheduler", "InvocationDroppedCount", group, false)

	for _, q := range []struct{ id, name, queue string }{
		{"ScheduleQueueAlarm", "schedules-undelivered", i.ScheduleQueue()},
		{"EventQueueAlarm", "events-undelivered", i.EventQueue()},
	} {
		t.tell(q.id, q.name, "There are messages in the queue "+q.queue+": their attributes say what was not delivered and why. Purge it when that is settled.",
			"AWS/SQS", "ApproximateNumberOfMessagesVisible", dimension{"QueueName", text(q.queue)}, false)
	}
	t.unswept()
}

// unswept tells when there was no sweep for ten minutes: nothing looks after
// due times and runs then. EventBridge reports no zeros, so that nothing at all
// is the alarm; and hence the alarm goes off once while the stack is new.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
func (t *Template) unswept() {
	i := t.installation
	t.add("SweepAlarm", alarm{
		AlarmName: i.Name + "-sweep-missing", AlarmDescription: "The rule " + i.SweepRule() + " does not invoke the function any more, and nothing else looks after runs.",
		Namespace: "AWS/Events", MetricName: "Invocations", Dimensions: []dimension{{"RuleName", text(i.SweepRule())}}, Statistic: "Sum",
		Period: period, EvaluationPeriods: 2, DatapointsToAlarm: 2,
		ComparisonOperator: "LessThanThreshold", Threshold: 1, TreatMissingData: "breaching",
		AlarmActions: t.alarmed(),
	})
}

// alarmed are the topics that hear of alarms.
func (t *Template) alarmed() []value {
	var all []value
	for _, arn := range t.installation.AlarmTopics() {
		if made := t.topics[arn]; made != nil {
			all = append(all, made.ref())
			continue
		}
		all = append(all, text(arn))
	}
	return all
}

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

// period is what is counted together.
const period = 300 // seconds

// alarms watch what solocron can't tell by itself, since it did not run. What is
// repeated anyway may happen now and then: it is told of when it lasts.
func (t *Template) alarms() {
	i := t.installation
	function := dimension{"FunctionName", text(i.Name)}
	t.alarm("ErrorsAlarm", "errors", "The function keeps failing. Its log group says why.", lasts(counted("AWS/Lambda", "Errors", function)))
	t.alarm("ThrottlesAlarm", "throttles", "Lambda keeps refusing to run the function: the account's concurrency is used up.", lasts(counted("AWS/Lambda", "Throttles", function)))
	t.alarm("DroppedAlarm", "dropped", "Lambda gave up an event without running the function.", counted("AWS/Lambda", "AsyncEventsDropped", function))

	// https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html
	group := dimension{"ScheduleGroup", text(i.Group())}
	t.alarm("ScheduleErrorsAlarm", "schedule-errors", "EventBridge Scheduler keeps failing to invoke the function.", lasts(counted("AWS/Scheduler", "TargetErrorCount", group)))
	t.alarm("ScheduleDroppedAlarm", "schedule-dropped", "EventBridge Scheduler gave up a due time. The sweep starts it if it is not too late.", counted("AWS/Scheduler", "InvocationDroppedCount", group))

	t.undelivered("ScheduleQueueAlarm", "schedules-undelivered", i.ScheduleQueue())
	t.undelivered("EventQueueAlarm", "events-undelivered", i.EventQueue())
	t.unswept()
}

func (t *Template) alarm(id, name, says string, a alarm) {
	a.AlarmName, a.AlarmDescription, a.AlarmActions = t.installation.Name+"-"+name, says, t.alarmed()
	t.add(id, a)
}

// counted goes off when a metric is more than nothing.
func counted(namespace, metric string, of dimension) alarm {
	return alarm{
		Namespace: namespace, MetricName: metric, Dimensions: []dimension{of}, Statistic: "Sum",
		Period: period, EvaluationPeriods: 1, DatapointsToAlarm: 1,
		ComparisonOperator: "GreaterThanThreshold", Threshold: 0, TreatMissingData: "notBreaching",
	}
}

// lasts goes off when it is so in two of three periods.
func lasts(a alarm) alarm {
	a.EvaluationPeriods, a.DatapointsToAlarm = 3, 2
	return a
}

// undelivered goes off, and stays so, while there is a message in a queue.
func (t *Template) undelivered(id, name, queue string) {
	a := counted("AWS/SQS", "ApproximateNumberOfMessagesVisible", dimension{"QueueName", text(queue)})
	a.Statistic = "Maximum"
	t.alarm(id, name, "Messages in the queue "+queue+" say what was not delivered, and why. Purge it when that is settled.", a)
}

// unswept goes off when there was no sweep for ten minutes: nothing looks after
// due times and runs then. EventBridge reports no zeros, so that nothing at all
// is the alarm; and hence it goes off once while the stack is new.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
func (t *Template) unswept() {
	rule := t.installation.SweepRule()
	a := counted("AWS/Events", "Invocations", dimension{"RuleName", text(rule)})
	a.EvaluationPeriods, a.DatapointsToAlarm = 2, 2
	a.ComparisonOperator, a.Threshold, a.TreatMissingData = "LessThanThreshold", 1, "breaching"
	t.alarm("SweepAlarm", "sweep-missing", "The rule "+rule+" does not invoke the function any more, and nothing else looks after runs.", a)
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

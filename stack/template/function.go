package template

// logGroup is made before the function: Lambda would make one that keeps
// everything for ever.
type logGroup struct {
	LogGroupName    string
	RetentionInDays int
}

func (logGroup) kind() kind { return kind{"AWS::Logs::LogGroup", "aws_cloudwatch_log_group", "name"} }

func (g logGroup) terraform(m *module, r *Resource) {
	b := m.resource(r)
	b.set("name", g.LogGroupName)
	b.set("retention_in_days", g.RetentionInDays)
}

type function struct {
	FunctionName  string
	Description   string
	Role          reference
	Runtime       string
	Handler       string
	Architectures []string
	Timeout       int // seconds
	MemorySize    int // MB
	Code          code
	Environment   environment
	LoggingConfig logging
}

type code struct{ S3Bucket, S3Key parameter }

type environment struct{ Variables map[string]text }

type logging struct {
	LogFormat string
	LogGroup  reference
}

func (function) kind() kind {
	return kind{"AWS::Lambda::Function", "aws_lambda_function", "function_name"}
}

func (f function) terraform(m *module, r *Resource) {
	b := m.resource(r)
	b.set("function_name", f.FunctionName)
	b.set("description", f.Description)
	b.set("role", f.Role)
	b.set("runtime", f.Runtime)
	b.set("handler", f.Handler)
	b.set("architectures", f.Architectures)
	b.set("timeout", f.Timeout)
	b.set("memory_size", f.MemorySize)
	b.set("s3_bucket", f.Code.S3Bucket)
	b.set("s3_key", f.Code.S3Key)
	b.block("environment").set("variables", f.Environment.Variables)
	l := b.block("logging_config")
	l.set("log_format", f.LoggingConfig.LogFormat)
	l.set("log_group", f.LoggingConfig.LogGroup)
	b.body.AppendNewline()
	// What is made after the function needs the role's rights, too.
	b.set("depends_on", []rights{{f.Role.to}})
}

// invocations says what becomes of asynchronous invocations that fail.
type invocations struct {
	FunctionName             reference
	Qualifier                string
	MaximumRetryAttempts     int
	MaximumEventAgeInSeconds int
	DestinationConfig        destinations
}

type destinations struct{ OnFailure destination }

type destination struct{ Destination reference }

func (invocations) kind() kind {
	return kind{"AWS::Lambda::EventInvokeConfig", "aws_lambda_function_event_invoke_config", "id"}
}

func (i invocations) terraform(m *module, r *Resource) {
	b := m.resource(r)
	b.set("function_name", i.FunctionName)
	b.set("qualifier", i.Qualifier)
	b.set("maximum_retry_attempts", i.MaximumRetryAttempts)
	b.set("maximum_event_age_in_seconds", i.MaximumEventAgeInSeconds)
	b.block("destination_config").block("on_failure").set("destination", i.DestinationConfig.OnFailure.Destination)
}

// permission lets a rule invoke the function. EventBridge names the rule as its
// source, whose ARN has the account; whether it names the account apart from
// that isn't documented.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
type permission struct {
	FunctionName reference
	Action       string
	Principal    string
	SourceArn    reference
}

func (permission) kind() kind { return kind{"AWS::Lambda::Permission", "aws_lambda_permission", "id"} }

func (p permission) terraform(m *module, r *Resource) {
	b := m.resource(r)
	b.set("function_name", p.FunctionName)
	b.set("action", p.Action)
	b.set("principal", p.Principal)
	b.set("source_arn", p.SourceArn)
}

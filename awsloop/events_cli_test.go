package awsloop

import "testing"

func TestEventsCLI(t *testing.T) {
	t.Parallel()
	s, l := newLoop(t)
	NewEvents(s, l, nil)
	do := func(args ...string) (map[string]any, string) {
		return awsCLI(t, s, append([]string{"events"}, args...)...)
	}
	got, failure := do("put-rule", "--name", "changes", "--event-pattern", `{"source":["aws.ssm"]}`)
	if failure != "" || got["RuleArn"] != "arn:aws:events:us-east-1:123456789012:rule/changes" {
		t.Fatalf("%v %s", got, failure)
	}
	if _, failure := do("put-targets", "--rule", "changes", "--targets", "Id=1,Arn="+functionARN); failure != "" {
		t.Fatal(failure)
	}
	got, failure = do("put-events", "--entries", `[{"Source":"aws.ssm","DetailType":"x","Detail":"{}"},{"Source":"mine","DetailType":"x","Detail":"{}"}]`)
	if failure != "" || got["FailedEntryCount"] != 1.0 {
		t.Errorf("%v %s", got, failure)
	}
}

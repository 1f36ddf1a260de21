package awsloop

import (
	"strings"
	"testing"
)

func TestSchedulerCLI(t *testing.T) {
	t.Parallel()
	s, _, _, _ := newScheduler(t, 1)
	do := func(args ...string) (map[string]any, string) {
		return awsCLI(t, s, append([]string{"scheduler"}, args...)...)
	}
	common := []string{
		"--name", "nightly", "--flexible-time-window", "Mode=OFF",
		"--target", `{"Arn":"` + functionARN + `","RoleArn":"` + roleARN + `","Input":"{\"due\":\"<aws.scheduler.scheduled-time>\"}"}`,
	}
	put := func(verb, expression string, more ...string) string {
		_, failure := do(append(append([]string{verb, "--schedule-expression", expression}, common...), more...)...)
		return failure
	}
	if failure := put("create-schedule", "garbage"); !strings.Contains(failure, "ValidationException") {
		t.Errorf("garbage: %q", failure)
	}
	if failure := put("create-schedule", "cron(30 2 * * ? *)", "--state", "DISABLED", "--start-date", "2026-11-22T00:00:00Z"); failure != "" {
		t.Fatal(failure)
	}
	if failure := put("create-schedule", "cron(30 2 * * ? *)"); !strings.Contains(failure, "ConflictException") {
		t.Errorf("twice: %q", failure)
	}
	got, failure := do("get-schedule", "--name", "nightly")
	if failure != "" || got["State"] != "DISABLED" || got["ScheduleExpressionTimezone"] != "UTC" || got["StartDate"] == nil {
		t.Errorf("get: %v %s", got, failure)
	}
	if failure := put("update-schedule", "rate(5 minutes)"); failure != "" {
		t.Error(failure)
	}
	list, failure := do("list-schedules", "--state", "ENABLED", "--name-prefix", "night", "--group-name", "default")
	if all, _ := list["Schedules"].([]any); failure != "" || len(all) != 1 {
		t.Errorf("list: %v %s", list, failure)
	}
	if _, failure := do("delete-schedule", "--name", "nightly"); failure != "" {
		t.Error(failure)
	}
	if _, failure := do("get-schedule", "--name", "nightly"); !strings.Contains(failure, "ResourceNotFoundException") {
		t.Errorf("deleted: %q", failure)
	}
	if calls := s.Calls(); calls["scheduler.CreateSchedule"] != 3 {
		t.Errorf("calls %v", calls)
	}
}

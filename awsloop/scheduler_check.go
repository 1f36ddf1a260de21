package awsloop

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
)

// The forms that the service's model demands.
var (
	nameForm  = regexp.MustCompile(`^[0-9a-zA-Z-_.]{1,64}$`)
	tokenForm = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,64}$`)
	roleForm  = regexp.MustCompile(`^arn:aws(-[a-z]+)?:iam::\d{12}:role/[\w+=,.@/-]+$`)
	queueForm = regexp.MustCompile(`^arn:aws(-[a-z]+)?:sqs:[a-z0-9-]+:\d{12}:[a-zA-Z0-9-_]+$`)
	keyForm   = regexp.MustCompile(`^arn:aws(-[a-z]+)?:kms:[a-z0-9-]+:\d{12}:(key|alias)/[0-9a-zA-Z-_]*$`)
	lambdaARN = regexp.MustCompile(`^arn:aws(-[a-z]+)?:lambda:[a-z0-9-]+:\d{12}:function:[a-zA-Z0-9-_]+(:[a-zA-Z0-9-_$]+)?$`)
)

func checkName(member, name string) error {
	if !nameForm.MatchString(name) {
		return notValid(fmt.Sprintf("Value %q at %s: 1 to 64 of 0-9 a-z A-Z - _ .", name, member))
	}
	return nil
}

// check judges all but the name, sets defaults, and reads the expression. Its
// error has all that is wrong.
func (in *definition) check() (expression, error) {
	var errs []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	text := aws.ToString(in.ScheduleExpression)
	must(text != "" && len(text) <= 256, "ScheduleExpression: 1 to 256 characters")
	zone, err := loadZone(aws.ToString(in.ScheduleExpressionTimezone))
	must(err == nil, "ScheduleExpressionTimezone: %w", err)
	var e expression
	if err == nil {
		e, err = parseExpression(text, zone)
		must(err == nil, "ScheduleExpression: %w", err)
	}
	must(utf8.RuneCountInString(aws.ToString(in.Description)) <= 512, "Description: at most 512 characters")
	must(in.KmsKeyArn == nil || keyForm.MatchString(*in.KmsKeyArn), "KmsKeyArn %s", aws.ToString(in.KmsKeyArn))
	must(in.StartDate == nil || in.EndDate == nil || *in.StartDate < *in.EndDate, "EndDate is not after StartDate")
	must(oneOf(in.State, "", types.ScheduleStateEnabled, types.ScheduleStateDisabled), "State %s", in.State)
	must(oneOf(in.ActionAfterCompletion, "", types.ActionAfterCompletionNone, types.ActionAfterCompletionDelete),
		"ActionAfterCompletion %s", in.ActionAfterCompletion)
	must(in.FlexibleTimeWindow != nil, "FlexibleTimeWindow is missing")
	if in.FlexibleTimeWindow != nil {
		must(checkWindow(*in.FlexibleTimeWindow), "FlexibleTimeWindow: OFF, or FLEXIBLE with MaximumWindowInMinutes from 1 to 1440")
	}
	must(in.Target != nil, "Target is missing")
	if in.Target != nil {
		errs = append(errs, checkTarget(in.Target))
	}
	if err := errors.Join(errs...); err != nil {
		return e, notValid(err.Error())
	}
	return e, nil
}

func oneOf[T comparable](v T, all ...T) bool { return slices.Contains(all, v) }

func checkWindow(w types.FlexibleTimeWindow) bool {
	switch w.Mode {
	case types.FlexibleTimeWindowModeOff:
		return w.MaximumWindowInMinutes == nil
	case types.FlexibleTimeWindowModeFlexible:
		return within(w.MaximumWindowInMinutes, 1, 1440)
	}
	return false
}

// checkTarget knows functions alone. That they exist is not asked; what they
// get must be JSON as it stands, before keywords are replaced.
func checkTarget(t *types.Target) error {
	var errs []error
	if arn := aws.ToString(t.Arn); !lambdaARN.MatchString(arn) {
		errs = append(errs, fmt.Errorf("Target.Arn %q is not a function's", arn))
	}
	if role := aws.ToString(t.RoleArn); !roleForm.MatchString(role) || len(role) > 1600 {
		errs = append(errs, fmt.Errorf("Target.RoleArn %q is not a role's", role))
	}
	if t.Input != nil && (!json.Valid([]byte(*t.Input)) || len(*t.Input) > 256<<10) {
		errs = append(errs, errors.New("Target.Input is not JSON of at most 256 KiB"))
	}
	if r := t.RetryPolicy; r != nil {
		if r.MaximumEventAgeInSeconds != nil && !within(r.MaximumEventAgeInSeconds, 60, 86400) {
			errs = append(errs, errors.New("Target.RetryPolicy.MaximumEventAgeInSeconds is not in 60-86400"))
		}
		if r.MaximumRetryAttempts != nil && !within(r.MaximumRetryAttempts, 0, 185) {
			errs = append(errs, errors.New("Target.RetryPolicy.MaximumRetryAttempts is not in 0-185"))
		}
	}
	if d := t.DeadLetterConfig; d != nil && !queueForm.MatchString(aws.ToString(d.Arn)) {
		errs = append(errs, fmt.Errorf("Target.DeadLetterConfig.Arn %q is not a queue's", aws.ToString(d.Arn)))
	}
	if t.EcsParameters != nil || t.EventBridgeParameters != nil || t.KinesisParameters != nil ||
		t.SageMakerPipelineParameters != nil || t.SqsParameters != nil {
		errs = append(errs, errors.New("Target.*Parameters: a function takes none"))
	}
	return errors.Join(errs...)
}

func within(v *int32, low, high int32) bool { return v != nil && *v >= low && *v <= high }

// ranged reads a number from low to high; empty is the default.
func ranged(text string, low, high, otherwise int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err == nil && (n < low || n > high) {
		err = fmt.Errorf("%d is not in %d-%d", n, low, high)
	}
	return n, err
}

package stacks

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// createRule fails where there is one of the name, which the API would replace.
func createRule(ctx context.Context, s *services, r physical) (made, error) {
	_, err := s.events.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &r.ID})
	switch {
	case err == nil:
		return made{}, refused("AlreadyExists", r.ID+" already exists in stack or account")
	case !is(err, "ResourceNotFoundException"):
		return made{}, err
	}
	return updateRule(ctx, s, physical{}, r)
}

func updateRule(ctx context.Context, s *services, old, r physical) (made, error) {
	in := &eventbridge.PutRuleInput{Name: &r.ID}
	if err := r.fill(in, "EventPattern", "Targets"); err != nil {
		return made{}, err
	}
	if r.properties["EventPattern"] != nil {
		in.EventPattern = aws.String(r.document("EventPattern"))
	}
	targets, err := r.targets()
	if err != nil {
		return made{}, err
	}
	before, err := old.targets()
	if err != nil {
		return made{}, err
	}
	out, err := s.events.PutRule(ctx, in)
	if err != nil {
		return made{}, err
	}
	m := made{r.ID, map[string]string{"Arn": *out.RuleArn}}
	if len(targets) > 0 {
		put, err := s.events.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &r.ID, Targets: targets})
		if err == nil && put.FailedEntryCount > 0 {
			err = refused(aws.ToString(put.FailedEntries[0].ErrorCode), aws.ToString(put.FailedEntries[0].ErrorMessage))
		}
		if err != nil {
			return m, err
		}
	}
	gone := slices.DeleteFunc(before, func(t types.Target) bool {
		return slices.ContainsFunc(targets, func(kept types.Target) bool { return *kept.Id == *t.Id })
	})
	return m, s.removeTargets(ctx, r.ID, gone)
}

func (p properties) targets() ([]types.Target, error) {
	var in struct{ Targets []types.Target }
	return in.Targets, (properties{"Targets": p["Targets"]}).fill(&in)
}

func (s *services) removeTargets(ctx context.Context, rule string, targets []types.Target) error {
	if len(targets) == 0 {
		return nil
	}
	var ids []string
	for _, t := range targets {
		ids = append(ids, *t.Id)
	}
	_, err := s.events.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: &rule, Ids: ids})
	return err
}

func removeRule(ctx context.Context, s *services, r physical) error {
	targets, err := r.targets()
	if err != nil {
		return err
	}
	if err := s.removeTargets(ctx, r.ID, targets); err != nil {
		return unlessAbsent(err)
	}
	_, err = s.events.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: &r.ID})
	return unlessAbsent(err)
}

func createScheduleGroup(ctx context.Context, s *services, r physical) (made, error) {
	in := &scheduler.CreateScheduleGroupInput{Name: &r.ID}
	if err := r.fill(in); err != nil {
		return made{}, err
	}
	if _, err := s.scheduler.CreateScheduleGroup(ctx, in); err != nil {
		return made{}, err
	}
	return s.scheduleGroup(ctx, r.ID)
}

func (s *services) scheduleGroup(ctx context.Context, name string) (made, error) {
	g, err := s.scheduler.GetScheduleGroup(ctx, &scheduler.GetScheduleGroupInput{Name: &name})
	if err != nil {
		return made{ID: name}, err
	}
	return made{name, map[string]string{
		"Arn": *g.Arn, "State": string(g.State),
		"CreationDate": g.CreationDate.String(), "LastModificationDate": g.LastModificationDate.String(),
	}}, nil
}

func updateScheduleGroup(ctx context.Context, s *services, _, r physical) (made, error) {
	return s.scheduleGroup(ctx, r.ID)
}

func removeScheduleGroup(ctx context.Context, s *services, r physical) error {
	_, err := s.scheduler.DeleteScheduleGroup(ctx, &scheduler.DeleteScheduleGroupInput{Name: &r.ID})
	if err != nil {
		return unlessAbsent(err)
	}
	return await(ctx, "schedule group "+r.ID, func() (bool, error) {
		_, err := s.scheduler.GetScheduleGroup(ctx, &scheduler.GetScheduleGroupInput{Name: &r.ID})
		return err != nil, unlessAbsent(err)
	})
}

// createAlarm fails where there is one of the name, which the API would replace.
func createAlarm(ctx context.Context, s *services, r physical) (made, error) {
	out, err := s.alarms.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{r.ID}})
	if err != nil {
		return made{}, err
	}
	if len(out.MetricAlarms) > 0 {
		return made{}, refused("AlreadyExists", r.ID+" already exists in stack or account")
	}
	return updateAlarm(ctx, s, physical{}, r)
}

func updateAlarm(ctx context.Context, s *services, _, r physical) (made, error) {
	in := &cloudwatch.PutMetricAlarmInput{AlarmName: &r.ID}
	if err := r.fill(in); err != nil {
		return made{}, err
	}
	if _, err := s.alarms.PutMetricAlarm(ctx, in); err != nil {
		return made{}, err
	}
	out, err := s.alarms.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{r.ID}})
	if err != nil || len(out.MetricAlarms) != 1 {
		return made{ID: r.ID}, err
	}
	return made{r.ID, map[string]string{"Arn": *out.MetricAlarms[0].AlarmArn}}, nil
}

func removeAlarm(ctx context.Context, s *services, r physical) error {
	_, err := s.alarms.DeleteAlarms(ctx, &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{r.ID}})
	return unlessAbsent(err)
}

func createDocument(ctx context.Context, s *services, r physical) (made, error) {
	in := &ssm.CreateDocumentInput{Name: &r.ID}
	if err := r.fill(in, "Content", "UpdateMethod"); err != nil {
		return made{}, err
	}
	in.Content = aws.String(r.document("Content"))
	_, err := s.ssm.CreateDocument(ctx, in)
	return made{ID: r.ID}, err
}

// documentReplaces: without UpdateMethod NewVersion a document is made anew for
// all but its tags.
//
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ssm-document.html
func documentReplaces(p properties) []string {
	if p.text("UpdateMethod") == "NewVersion" {
		return nil
	}
	return []string{"Content", "DocumentFormat", "TargetType"}
}

// updateDocument makes a new version. Whether it becomes the default one is not
// documented; here it doesn't, which is worse for who relies on it.
func updateDocument(ctx context.Context, s *services, old, r physical) (made, error) {
	m := made{ID: r.ID}
	if old.document("Content") == r.document("Content") {
		return m, nil
	}
	in := &ssm.UpdateDocumentInput{Name: &r.ID, DocumentVersion: aws.String("$LATEST")}
	if err := r.fill(in, "Content", "UpdateMethod", "DocumentType", "Tags"); err != nil {
		return m, err
	}
	in.Content = aws.String(r.document("Content"))
	_, err := s.ssm.UpdateDocument(ctx, in)
	return m, err
}

func removeDocument(ctx context.Context, s *services, r physical) error {
	_, err := s.ssm.DeleteDocument(ctx, &ssm.DeleteDocumentInput{Name: &r.ID})
	return unlessAbsent(err)
}

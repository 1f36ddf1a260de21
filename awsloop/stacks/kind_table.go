package stacks

import (
	"cmp"
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// tableExtras are the properties of a table that have calls of their own.
var tableExtras = []string{"TimeToLiveSpecification", "PointInTimeRecoverySpecification"}

func createTable(ctx context.Context, s *services, r physical) (made, error) {
	in := &dynamodb.CreateTableInput{TableName: &r.ID}
	if err := r.fill(in, tableExtras...); err != nil {
		return made{}, err
	}
	out, err := s.dynamodb.CreateTable(ctx, in)
	if err != nil {
		return made{}, err
	}
	m := made{r.ID, map[string]string{"Arn": *out.TableDescription.TableArn}}
	if err := s.awaitTable(ctx, r.ID); err != nil {
		return m, err
	}
	return m, s.putTableExtras(ctx, physical{}, r)
}

func (s *services) awaitTable(ctx context.Context, name string) error {
	return await(ctx, "table "+name, func() (bool, error) {
		t, err := s.dynamodb.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
		return err == nil && t.Table.TableStatus == types.TableStatusActive, err
	})
}

// putTableExtras makes those calls whose properties changed.
func (s *services) putTableExtras(ctx context.Context, old, r physical) error {
	for _, name := range differing(old.only(tableExtras), r.only(tableExtras)) {
		var err error
		switch name {
		case "TimeToLiveSpecification":
			err = s.putTimeToLive(ctx, old, r)
		case "PointInTimeRecoverySpecification":
			in := &dynamodb.UpdateContinuousBackupsInput{TableName: &r.ID}
			if err = (properties{name: r.properties[name]}).fill(in); err == nil {
				in.PointInTimeRecoverySpecification = cmp.Or(in.PointInTimeRecoverySpecification,
					&types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(false)})
				_, err = s.dynamodb.UpdateContinuousBackups(ctx, in)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// putTimeToLive switches it off, by the name of before, if there is none now.
func (s *services) putTimeToLive(ctx context.Context, old, r physical) error {
	const name = "TimeToLiveSpecification"
	in := &dynamodb.UpdateTimeToLiveInput{TableName: &r.ID}
	spec, on := r.properties[name]
	if !on {
		spec = old.properties[name]
	}
	if err := (properties{name: spec}).fill(in); err != nil {
		return err
	}
	if !on {
		in.TimeToLiveSpecification.Enabled = aws.Bool(false)
	}
	_, err := s.dynamodb.UpdateTimeToLive(ctx, in)
	return err
}

func (p properties) only(names []string) map[string]any {
	some := map[string]any{}
	for _, name := range names {
		if v, ok := p[name]; ok {
			some[name] = v
		}
	}
	return some
}

func updateTable(ctx context.Context, s *services, old, r physical) (made, error) {
	in := &dynamodb.UpdateTableInput{TableName: &r.ID}
	if err := r.fill(in, append([]string{"KeySchema", "Tags"}, tableExtras...)...); err != nil {
		return made{}, err
	}
	if in.DeletionProtectionEnabled == nil {
		in.DeletionProtectionEnabled = aws.Bool(false)
	}
	out, err := s.dynamodb.UpdateTable(ctx, in)
	if err != nil {
		return made{}, err
	}
	m := made{r.ID, map[string]string{"Arn": *out.TableDescription.TableArn}}
	if err := s.awaitTable(ctx, r.ID); err != nil {
		return m, err
	}
	return m, s.putTableExtras(ctx, old, r)
}

func removeTable(ctx context.Context, s *services, r physical) error {
	_, err := s.dynamodb.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &r.ID})
	if err != nil {
		return unlessAbsent(err)
	}
	return await(ctx, "table "+r.ID, func() (bool, error) {
		_, err := s.dynamodb.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &r.ID})
		return err != nil, unlessAbsent(err)
	})
}

func createLogGroup(ctx context.Context, s *services, r physical) (made, error) {
	in := &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &r.ID, Tags: r.tags()}
	if err := r.fill(in, "Tags", "RetentionInDays"); err != nil {
		return made{}, err
	}
	if _, err := s.logs.CreateLogGroup(ctx, in); err != nil {
		return made{}, err
	}
	return updateLogGroup(ctx, s, r, r)
}

// updateLogGroup sets how long the log is kept.
func updateLogGroup(ctx context.Context, s *services, _, r physical) (made, error) {
	m := made{ID: r.ID}
	if r.properties["RetentionInDays"] == nil {
		if _, err := s.logs.DeleteRetentionPolicy(ctx, &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: &r.ID}); err != nil {
			return m, err
		}
	} else {
		in := &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: &r.ID}
		if err := (properties{"RetentionInDays": r.properties["RetentionInDays"]}).fill(in); err != nil {
			return m, err
		}
		if _, err := s.logs.PutRetentionPolicy(ctx, in); err != nil {
			return m, err
		}
	}
	out, err := s.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &r.ID})
	if err != nil {
		return m, err
	}
	for _, group := range out.LogGroups {
		if aws.ToString(group.LogGroupName) == r.ID {
			m.attributes = map[string]string{"Arn": aws.ToString(group.Arn)}
		}
	}
	return m, nil
}

func removeLogGroup(ctx context.Context, s *services, r physical) error {
	_, err := s.logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &r.ID})
	return unlessAbsent(err)
}

package stacks

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func createFunction(ctx context.Context, s *services, r physical) (made, error) {
	in := &lambda.CreateFunctionInput{FunctionName: &r.ID, Tags: r.tags()}
	if err := r.fill(in, "Tags"); err != nil {
		return made{}, err
	}
	out, err := s.lambda.CreateFunction(ctx, in)
	if err != nil {
		return made{}, err
	}
	m := made{r.ID, map[string]string{"Arn": *out.FunctionArn}}
	return m, s.awaitFunction(ctx, r.ID)
}

// awaitFunction waits until the function can be invoked and changed again.
func (s *services) awaitFunction(ctx context.Context, name string) error {
	return await(ctx, "function "+name, func() (bool, error) {
		c, err := s.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
		if err != nil {
			return false, err
		}
		if c.State == types.StateFailed || c.LastUpdateStatus == types.LastUpdateStatusFailed {
			return false, fmt.Errorf("function %s: %s%s", name, aws.ToString(c.StateReason), aws.ToString(c.LastUpdateStatusReason))
		}
		return c.State == types.StateActive && c.LastUpdateStatus == types.LastUpdateStatusSuccessful, nil
	})
}

// functionCode are the properties that UpdateFunctionCode takes; all others are
// its configuration.
var functionCode = []string{"Code", "Architectures"}

func updateFunction(ctx context.Context, s *services, old, r physical) (made, error) {
	config := &lambda.UpdateFunctionConfigurationInput{FunctionName: &r.ID}
	if err := r.fill(config, "Tags", "PackageType", functionCode[0], functionCode[1]); err != nil {
		return made{}, err
	}
	if config.Environment == nil {
		config.Environment = &types.Environment{Variables: map[string]string{}} // what was there goes
	}
	var in struct {
		Code          types.FunctionCode
		Architectures []types.Architecture
	}
	if err := (properties{"Code": r.properties["Code"], "Architectures": r.properties["Architectures"]}).fill(&in); err != nil {
		return made{}, err
	}
	for _, name := range functionCode {
		if len(differing(map[string]any{name: old.properties[name]}, map[string]any{name: r.properties[name]})) > 0 {
			_, err := s.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{
				FunctionName: &r.ID, S3Bucket: in.Code.S3Bucket, S3Key: in.Code.S3Key,
				S3ObjectVersion: in.Code.S3ObjectVersion, Architectures: in.Architectures,
			})
			if err != nil {
				return made{}, err
			}
			if err := s.awaitFunction(ctx, r.ID); err != nil {
				return made{}, err
			}
			break
		}
	}
	out, err := s.lambda.UpdateFunctionConfiguration(ctx, config)
	if err != nil {
		return made{}, err
	}
	return made{r.ID, map[string]string{"Arn": *out.FunctionArn}}, s.awaitFunction(ctx, r.ID)
}

func removeFunction(ctx context.Context, s *services, r physical) error {
	_, err := s.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &r.ID})
	return unlessAbsent(err)
}

func createPermission(ctx context.Context, s *services, r physical) (made, error) {
	in := &lambda.AddPermissionInput{StatementId: &r.ID}
	if err := r.fill(in); err != nil {
		return made{}, err
	}
	_, err := s.lambda.AddPermission(ctx, in)
	return made{r.ID, map[string]string{"Id": r.ID}}, err
}

func removePermission(ctx context.Context, s *services, r physical) error {
	_, err := s.lambda.RemovePermission(ctx, &lambda.RemovePermissionInput{StatementId: &r.ID, FunctionName: aws.String(r.text("FunctionName"))})
	return unlessAbsent(err)
}

// createInvokeConfig fails where one is already, though the API would replace it.
func createInvokeConfig(ctx context.Context, s *services, r physical) (made, error) {
	function, qualifier := r.text("FunctionName"), r.text("Qualifier")
	_, err := s.lambda.GetFunctionEventInvokeConfig(ctx, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: &function, Qualifier: &qualifier})
	switch {
	case err == nil:
		return made{}, refused("AlreadyExists", function+"|"+qualifier+" already exists")
	case !is(err, "ResourceNotFoundException"):
		return made{}, err
	}
	return updateInvokeConfig(ctx, s, r, r)
}

func updateInvokeConfig(ctx context.Context, s *services, _, r physical) (made, error) {
	in := &lambda.PutFunctionEventInvokeConfigInput{}
	if err := r.fill(in); err != nil {
		return made{}, err
	}
	_, err := s.lambda.PutFunctionEventInvokeConfig(ctx, in)
	return made{ID: r.ID}, err
}

func removeInvokeConfig(ctx context.Context, s *services, r physical) error {
	_, err := s.lambda.DeleteFunctionEventInvokeConfig(ctx, &lambda.DeleteFunctionEventInvokeConfigInput{
		FunctionName: aws.String(r.text("FunctionName")), Qualifier: aws.String(r.text("Qualifier")),
	})
	return unlessAbsent(err)
}

package stacks

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func createRole(ctx context.Context, s *services, r physical) (made, error) {
	in := &iam.CreateRoleInput{RoleName: &r.ID}
	if err := r.fill(in, "AssumeRolePolicyDocument", "Policies", "ManagedPolicyArns"); err != nil {
		return made{}, err
	}
	in.AssumeRolePolicyDocument = aws.String(r.document("AssumeRolePolicyDocument"))
	out, err := s.iam.CreateRole(ctx, in)
	if err != nil {
		return made{}, err
	}
	return roleOf(out.Role), s.putPolicies(ctx, physical{}, r)
}

func roleOf(role *types.Role) made {
	return made{*role.RoleName, map[string]string{"Arn": *role.Arn, "RoleId": *role.RoleId}}
}

func (p properties) policies() map[string]string {
	policies := map[string]string{}
	all, _ := p["Policies"].([]any)
	for _, v := range all {
		policy, _ := v.(map[string]any)
		policies[properties(policy).text("PolicyName")] = properties(policy).document("PolicyDocument")
	}
	return policies
}

// putPolicies makes the role's policies those of r, given those of old.
func (s *services) putPolicies(ctx context.Context, old, r physical) error {
	want := r.policies()
	for _, name := range sorted(want) {
		_, err := s.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &r.ID, PolicyName: &name, PolicyDocument: aws.String(want[name])})
		if err != nil {
			return err
		}
	}
	for name := range old.policies() {
		if _, ok := want[name]; ok {
			continue
		}
		_, err := s.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &r.ID, PolicyName: &name})
		if err := unlessAbsent(err); err != nil {
			return err
		}
	}
	return s.attachPolicies(ctx, r.ID, old.list("ManagedPolicyArns"), r.list("ManagedPolicyArns"))
}

func (s *services) attachPolicies(ctx context.Context, role string, old, want []string) error {
	for _, arn := range want {
		if _, err := s.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &arn}); err != nil {
			return err
		}
	}
	for _, arn := range old {
		if slices.Contains(want, arn) {
			continue
		}
		_, err := s.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &role, PolicyArn: &arn})
		if err := unlessAbsent(err); err != nil {
			return err
		}
	}
	return nil
}

func updateRole(ctx context.Context, s *services, old, r physical) (made, error) {
	in := &iam.UpdateRoleInput{RoleName: &r.ID, Description: aws.String("")}
	if err := r.fill(in, "AssumeRolePolicyDocument", "Policies", "ManagedPolicyArns", "Path", "Tags"); err != nil {
		return made{}, err
	}
	if _, err := s.iam.UpdateRole(ctx, in); err != nil {
		return made{}, err
	}
	_, err := s.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{
		RoleName: &r.ID, PolicyDocument: aws.String(r.document("AssumeRolePolicyDocument")),
	})
	if err != nil {
		return made{}, err
	}
	if err := s.putPolicies(ctx, old, r); err != nil {
		return made{}, err
	}
	out, err := s.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &r.ID})
	if err != nil {
		return made{}, err
	}
	return roleOf(out.Role), nil
}

// removeRole takes away the template's policies first; with others on it the
// service refuses.
func removeRole(ctx context.Context, s *services, r physical) error {
	_, err := s.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &r.ID})
	if err != nil {
		return unlessAbsent(err)
	}
	if err := s.putPolicies(ctx, r, physical{ID: r.ID}); err != nil {
		return err
	}
	_, err = s.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &r.ID})
	return unlessAbsent(err)
}

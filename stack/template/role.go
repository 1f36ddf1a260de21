package template

import (
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/solocron/solocron/stack/policy"
)

type role struct {
	RoleName                 string
	Description              string
	AssumeRolePolicyDocument document
	Policies                 []inlinePolicy
}

type inlinePolicy struct {
	PolicyName     string
	PolicyDocument document
}

func newRole(p policy.Role) role {
	trust := statement{Effect: "Allow", Principal: &principal{p.Service}, Action: []string{"sts:AssumeRole"}, Condition: newCondition(p.Trust)}
	rights := document{Version: policyVersion}
	for _, s := range p.Statements {
		rights.Statement = append(rights.Statement, statement{
			Sid: s.Sid, Effect: "Allow", Action: s.Actions, Resource: texts(s.Resources), Condition: newCondition(s.Condition),
		})
	}
	return role{
		RoleName: p.Name, Description: p.Needs,
		AssumeRolePolicyDocument: document{policyVersion, []statement{trust}},
		Policies:                 []inlinePolicy{{"solocron", rights}},
	}
}

func newCondition(p policy.Condition) condition {
	c := condition{}
	for operator, keys := range p {
		c[operator] = map[string][]text{}
		for key, values := range keys {
			c[operator][key] = texts(values)
		}
	}
	return c
}

func (role) kind() kind { return kind{"AWS::IAM::Role", "aws_iam_role", "name"} }

// To Terraform a role's rights are a resource apart.
func (p role) terraform(m *module, r *Resource) {
	b := m.resource(r)
	b.set("name", p.RoleName)
	b.set("description", p.Description)
	b.set("assume_role_policy", embedded{p.AssumeRolePolicyDocument})
	for _, inline := range p.Policies {
		b := m.part(rolePolicy, r)
		b.set("name", inline.PolicyName)
		b.set("role", r.ref())
		b.set("policy", embedded{inline.PolicyDocument})
	}
}

const rolePolicy = "aws_iam_role_policy"

// rights are those of a role, for Terraform to wait for.
type rights struct{ of *Resource }

func (r rights) tokens() hclwrite.Tokens { return path(rolePolicy, snake(r.of.ID)) }

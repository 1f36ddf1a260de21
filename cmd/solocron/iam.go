package main

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/policy"
)

// iamOptions are the flags of iam.
type iamOptions struct {
	account   string
	partition string
	bucket    string
}

func newIAMCommand(g *globals) *cobra.Command {
	var o iamOptions
	cmd := &cobra.Command{
		Use:   "iam [NAME...]",
		Short: "Show the rights in AWS that the jobs file needs, each with its reason",
		Long: `Show the rights in AWS that the jobs file needs, each with its reason: those of the
roles that solocron apply makes, and as grants those of the people who operate,
plan, apply, destroy and examine (doctor). NAME picks single ones: function,
scheduler, report; operate, plan, apply, make, destroy, doctor.

Whoever may apply writes the roles, and so has a way to every right that the
account lets a role have; set a permissions boundary where that is too much.

With --output json they are documents for IAM. AWS is not asked; without
--account the account's ID stays ` + stack.Account + `.

Exit codes: 0 done, 1 error, 2 usage.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			v, warnings, err := rightsOf(g.file, o, names)
			if err != nil {
				return err
			}
			for _, w := range warnings {
				cmd.PrintErrf("%s: warning: %s\n", g.file, sanitize(w))
			}
			return g.print(cmd, v, func(s screen) string { return viewRights(v, s) })
		},
	}
	cmd.Flags().StringVar(&o.account, "account", "", "the AWS account's ID, 12 digits")
	cmd.Flags().StringVar(&o.partition, "partition", "", "aws, aws-cn, aws-us-gov … (default: the one of the file's region)")
	cmd.Flags().StringVar(&o.bucket, "bucket", "", "bucket for the function's code, as for solocron apply (default: one that apply makes)")
	return cmd
}

// rightsView is what iam prints.
type rightsView struct {
	Name      string       `json:"name"`
	Region    string       `json:"region"`
	Account   string       `json:"account"`
	Partition string       `json:"partition"`
	Roles     []roleView   `json:"roles"`
	Grants    []rightsPart `json:"grants"`
}

// roleView is a role of the stack.
type roleView struct {
	rightsPart
	Service string          `json:"service"`
	Trust   policy.Document `json:"trust"`

	condition policy.Condition
}

// rightsPart is a policy.
type rightsPart struct {
	Name       string          `json:"name"`
	Needs      string          `json:"needs"`
	Besides    []string        `json:"besides,omitempty"`
	Statements []rightReason   `json:"statements"`
	Policy     policy.Document `json:"policy"`

	rights []policy.Statement
}

// rightReason tells what a statement of the policy is for.
type rightReason struct {
	Sid   string `json:"sid"`
	Needs string `json:"needs"`
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

// rightsOf collects the rights of a jobs file that are asked for.
func rightsOf(file string, o iamOptions, names []string) (*rightsView, []string, error) {
	if o.account != "" && !accountID.MatchString(o.account) {
		return nil, nil, usageError{fmt.Errorf("--account: want 12 digits, got %q", o.account)}
	}
	f, err := job.Load(file)
	if err != nil {
		return nil, nil, err
	}
	i, err := stack.New(f)
	if err != nil {
		return nil, nil, err
	}
	roles, err := policy.Roles(i)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	v := &rightsView{Name: i.Name, Region: i.Region, Account: cmp.Or(o.account, stack.Account), Partition: cmp.Or(o.partition, policy.Partition(i.Region)), Roles: []roleView{}, Grants: []rightsPart{}}
	place := stack.Place{Partition: v.Partition, Region: v.Region, Account: v.Account}
	picked := pick{asked: names}
	for _, r := range roles {
		short := r.Name[strings.LastIndex(r.Name, "-")+1:]
		if picked.wants(r.Name, short) {
			v.Roles = append(v.Roles, roleView{
				rightsPart: newRightsPart(r.Name, r.Needs, nil, r.Statements, place),
				Service:    r.Service, Trust: r.TrustPolicy(place), condition: r.Trust.At(place),
			})
		}
	}
	for _, p := range policy.People(i, o.bucket) {
		if picked.wants(p.Name) {
			v.Grants = append(v.Grants, newRightsPart(p.Name, p.Needs, p.Besides, p.Statements, place))
		}
	}
	return v, policy.Warnings(i), picked.missed(file)
}

func newRightsPart(name, needs string, besides []string, statements []policy.Statement, at stack.Place) rightsPart {
	p := rightsPart{Name: name, Needs: needs, Besides: besides, Policy: policy.Allow(statements, at)}
	for _, s := range statements {
		p.Statements = append(p.Statements, rightReason{s.Sid, s.Needs})
		p.rights = append(p.rights, s.At(at))
	}
	return p
}

// pick is which names are asked for; none stands for all.
type pick struct{ asked, had, known []string }

func (p *pick) wants(names ...string) bool {
	p.known = append(p.known, names[len(names)-1])
	n := slices.IndexFunc(names, func(name string) bool { return slices.Contains(p.asked, name) })
	if n >= 0 {
		p.had = append(p.had, names[n])
	}
	return n >= 0 || len(p.asked) == 0
}

func (p *pick) missed(file string) error {
	for _, name := range p.asked {
		if !slices.Contains(p.had, name) {
			return fmt.Errorf("%s needs no rights called %q; there are %s", file, name, strings.Join(p.known, ", "))
		}
	}
	return nil
}

func viewRights(v *rightsView, s screen) string {
	var b strings.Builder
	for _, r := range v.Roles {
		fmt.Fprintf(&b, "%s: %s\n  assumed by %s\n", s.paint(bold, "Role "+r.Name), r.Needs, r.Service)
		viewCondition(&b, "  ", r.condition)
		viewStatements(&b, r.rights, s)
	}
	for _, p := range v.Grants {
		needs := p.Needs
		if len(p.Besides) > 0 {
			needs += "; besides " + strings.Join(p.Besides, " and ")
		}
		fmt.Fprintf(&b, "%s: %s\n", s.paint(bold, "Grant "+p.Name), needs)
		viewStatements(&b, p.rights, s)
	}
	return b.String()
}

func viewStatements(b *strings.Builder, all []policy.Statement, s screen) {
	for _, st := range all {
		fmt.Fprintf(b, "\n  %s: %s\n", s.paint(cyan, st.Sid), sanitize(st.Needs))
		listed(b, "allow", st.Actions)
		listed(b, "on", st.Resources)
		viewCondition(b, "    ", st.Condition)
	}
	b.WriteString("\n")
}

// listed writes texts one below the other, with what they are before the first.
func listed(b *strings.Builder, what string, texts []string) {
	for _, text := range texts {
		fmt.Fprintf(b, "    %-5s %s\n", what, sanitize(text))
		what = ""
	}
}

// viewCondition writes what has to hold, in words.
func viewCondition(b *strings.Builder, indent string, c policy.Condition) {
	what := "if"
	for _, operator := range slices.Sorted(maps.Keys(c)) {
		for _, key := range slices.Sorted(maps.Keys(c[operator])) {
			for _, line := range inWords(operator, key, c[operator][key]) {
				fmt.Fprintf(b, "%s%-5s %s\n", indent, what, sanitize(line))
				what = ""
			}
			what = "and"
		}
	}
}

// comparisons are IAM's operators as people say them.
var comparisons = map[string]string{
	"StringEquals": "is", "StringLike": "is like", "ArnLike": "is like", "ForAnyValue:StringEquals": "has",
}

// inWords is one line, or one for each value if these are long.
func inWords(operator, key string, values []string) []string {
	const long = 100
	plain, optional := strings.CutSuffix(operator, "IfExists")
	if optional {
		key += ", if it is told,"
	}
	if plain == "StringLike" && slices.Equal(values, []string{"*"}) {
		return []string{key + " is there"}
	}
	text := key + " " + cmp.Or(comparisons[plain], plain) + " "
	if all := text + strings.Join(values, " or "); len(all) <= long {
		return []string{all}
	}
	lines := []string{text + values[0]}
	for _, value := range values[1:] {
		lines = append(lines, "or "+value)
	}
	return lines
}

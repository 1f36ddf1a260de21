package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/function"
	"github.com/solocron/solocron/stack/policy"
	"github.com/solocron/solocron/stack/template"
)

// templateOptions are the flags of template.
type templateOptions struct {
	form  form
	adopt bool
	code  string
	zip   string
}

func newTemplateCommand(g *globals) *cobra.Command {
	o := templateOptions{form: formCloudFormation}
	c := &cobra.Command{
		Use:   "template",
		Short: "Print the stack for a pipeline of your own",
		Long: `Print the stack of the jobs file, for a pipeline of your own: as a CloudFormation
template, or as a root module of Terraform. AWS is not asked, and no credentials
are needed.

The parameters CodeBucket and CodeKey (code_bucket, code_key) say where the
function's code is, which --zip writes:

  solocron template --zip function.zip > stack.json
  aws s3 cp function.zip s3://BUCKET/KEY
  aws cloudformation deploy --stack-name NAME --template-file stack.json \
    --capabilities CAPABILITY_NAMED_IAM --tags ` + template.Tag + `=NAME \
    --parameter-overrides CodeBucket=BUCKET CodeKey=KEY

NAME is that of the ledger's table. Other code needs another key. Jobs are not in
the stack: solocron apply --jobs-only puts them in place.

Exit codes: 0 done, 1 error, 2 usage.`,
		Args: words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := o.print(cmd, g.file)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	c.Flags().Var(&o.form, "format", "cloudformation or terraform")
	c.Flags().BoolVar(&o.adopt, "adopt-table", false, "leave out the ledger's table: it is there already")
	c.Flags().StringVar(&o.code, "code", "", "zip with the function's code (default: the one inside of this program)")
	c.Flags().StringVar(&o.zip, "zip", "", "write the function's code to this file")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{string(formCloudFormation), string(formTerraform)}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// print makes the stack's text, and the file of its code if it is asked for.
func (o *templateOptions) print(cmd *cobra.Command, file string) ([]byte, error) {
	f, err := job.Load(file)
	if err != nil {
		return nil, err
	}
	i, err := stack.New(f)
	if err != nil {
		return nil, err
	}
	roles, err := policy.Roles(i)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	// Without code the stack is for the architecture that it would have.
	code, err := openCode(o.code)
	if err != nil && (o.zip != "" || !errors.Is(err, function.ErrNone)) {
		return nil, err
	}
	made, err := template.New(i, roles, template.Options{Architecture: code.Architecture, Adopt: o.adopt, Release: version()})
	if err != nil {
		return nil, err
	}
	text := made.Terraform()
	if o.form == formCloudFormation {
		if text, err = made.Indented(); err != nil {
			return nil, err
		}
	}
	if o.zip == "" {
		return text, nil
	}
	if err := os.WriteFile(o.zip, code.Zip, 0o644); err != nil {
		return nil, err
	}
	cmd.PrintErrf("%s: the function for %s; as a key, %s changes with its content\n", o.zip, code.Architecture, code.Key())
	return text, nil
}

// form is what a stack is written for.
type form string

const (
	formCloudFormation form = "cloudformation"
	formTerraform      form = "terraform"
)

func (f *form) String() string { return string(*f) }
func (f *form) Type() string   { return "FORMAT" }

func (f *form) Set(s string) error {
	if s != string(formCloudFormation) && s != string(formTerraform) {
		return fmt.Errorf("want cloudformation or terraform, got %q", s)
	}
	*f = form(s)
	return nil
}

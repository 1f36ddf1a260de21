package main

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"github.com/solocron/solocron/stack/doctor"
	"github.com/solocron/solocron/web"
)

func newDoctorCommand(g *globals) *cobra.Command {
	var o deployOptions
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Examine what is in AWS, step by step",
		Long: `Examine the installation of the jobs file in AWS, step by step: credentials and
clock, stack, function, jobs and schedules, hosts, document, a claim from one
host, the topics' subscriptions, and what could not be delivered. What is not as
it should be comes with what to do.

Nothing is changed; but to see its claim arrive, one host is sent a command that
does nothing.

Exit codes: 0 all is well (there may be warnings), 1 something is bad, 2 usage.`,
		Args: words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := examine(cmd.Context(), g, o)
			if err != nil {
				return err
			}
			err = g.print(cmd, found, func(s screen) string { return viewFinding(found, s) })
			if err == nil && found.Worst() == doctor.Bad {
				return &exitError{code: codeError}
			}
			return err
		},
	}
	o.where(c)
	return c
}

func examine(ctx context.Context, g *globals, o deployOptions) (doctor.Finding, error) {
	at, err := g.openAccount(ctx, o)
	if err != nil {
		return doctor.Finding{}, err
	}
	d := &doctor.Doctor{
		Installation: at.installation, Release: version(), Now: time.Now,
		STS: sts.NewFromConfig(at.cfg), SSM: ssm.NewFromConfig(at.cfg), SNS: sns.NewFromConfig(at.cfg), SQS: sqs.NewFromConfig(at.cfg),
		Scheduler: deployed{newFunctionClient(at.installation.Name, at.installation.Region)},
		Plan:      at.plan,
	}
	return d.Examine(ctx), nil
}

// deployed is the function as the doctor asks it.
type deployed struct{ *web.Client }

func (d deployed) Release(ctx context.Context) (string, error) {
	status, err := d.Status(ctx)
	return status.Version, err
}

var healthInk = map[doctor.Health]cell{
	doctor.OK: {"OK", green}, doctor.Warning: {"warning", yellow}, doctor.Bad: {"BAD", red}, doctor.Unknown: {"unknown", faint},
}

// viewFinding draws the tree.
func viewFinding(f doctor.Finding, s screen) string {
	var b strings.Builder
	b.WriteString(s.paint(bold, sanitize(f.Step)) + "\n")
	drawBelow(&b, f.Below, "", s)
	return b.String()
}

func drawBelow(b *strings.Builder, list []doctor.Finding, indent string, s screen) {
	for i, f := range list {
		branch, under := "├─ ", "│  "
		if i == len(list)-1 {
			branch, under = "└─ ", "   "
		}
		mark := healthInk[f.Health]
		b.WriteString(s.paint(faint, indent+branch) + sanitize(f.Step) + ": " + s.paint(mark.ink, mark.text) + "  " + sanitize(f.Says) + "\n")
		if f.Remedy != "" {
			b.WriteString(s.paint(faint, indent+under) + "   → " + sanitize(f.Remedy) + "\n")
		}
		drawBelow(b, f.Below, indent+under, s)
	}
}

// Package doctor examines an installation where it lives: from the credentials
// to a start on a host, one step after the other, each with what to do if it is
// not as it should be.
//
// Nothing is changed, but for one rehearsal: a command that does nothing is
// sent to one host, to see its claim arrive.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/deploy"
)

// Health is how a step was found.
type Health string

// The healths.
const (
	OK      Health = "ok"
	Warning Health = "warning" // it works, and something should be done
	Bad     Health = "bad"
	Unknown Health = "unknown" // it was not looked at
)

// Finding is what was found at one step, and at those below it.
type Finding struct {
	Step   string    `json:"step"`
	Health Health    `json:"health"`
	Says   string    `json:"says"`
	Remedy string    `json:"remedy,omitempty"`
	Below  []Finding `json:"below,omitempty"`
}

// Worst is the finding's health, or that of the worst below it.
func (f *Finding) Worst() Health {
	order := map[Health]int{OK: 0, Unknown: 1, Warning: 2, Bad: 3}
	worst := f.Health
	for i := range f.Below {
		if h := f.Below[i].Worst(); order[h] > order[worst] {
			worst = h
		}
	}
	return worst
}

// Scheduler is the function, asked as the command line asks it.
type Scheduler interface {
	// Release is the version of solocron that it runs.
	Release(ctx context.Context) (string, error)
	// Rehearse has a host go through a start; see dispatch.Dispatcher.Rehearse.
	Rehearse(ctx context.Context, host string, unclaimed bool) error
}

// Doctor examines one installation.
type Doctor struct {
	Installation *stack.Installation
	Release      string // of this solocron
	STS          *sts.Client
	SSM          *ssm.Client
	SNS          *sns.Client
	SQS          *sqs.Client
	Scheduler    Scheduler
	// Plan is what apply would do.
	Plan func(context.Context) (*deploy.Plan, error)
	Now  func() time.Time
}

// Examine looks at every step. What a step rests on is looked at first; if that
// is bad, the step itself isn't looked at.
func (d *Doctor) Examine(ctx context.Context) Finding {
	root := Finding{Step: d.Installation.Name + " in " + d.Installation.Region, Health: OK}
	place, credentials := d.credentials(ctx)
	root.Below = append(root.Below, credentials)
	if credentials.Worst() == Bad {
		return root.without("credentials", "stack", "function", "jobs", "hosts", "document", "claim", "topics", "undelivered")
	}
	plan, stack := d.stack(ctx)
	root.Below = append(root.Below, stack)
	if stack.Health == Bad {
		return root.without("stack", "function", "jobs", "hosts", "document", "claim", "topics", "undelivered")
	}
	function := d.function(ctx)
	root.Below = append(root.Below, function, jobs(plan), hosts(plan), d.document(ctx))
	if function.Health == Bad {
		root = root.without("function", "claim")
	} else {
		root.Below = append(root.Below, d.claim(ctx, plan))
	}
	root.Below = append(root.Below, d.topics(ctx, place), d.undelivered(ctx, place))
	return root
}

// without adds steps that were not looked at.
func (f Finding) without(cause string, steps ...string) Finding {
	for _, step := range steps {
		f.Below = append(f.Below, Finding{Step: step, Health: Unknown, Says: "not looked at, because of " + cause})
	}
	return f
}

func fine(step, format string, args ...any) Finding {
	return Finding{Step: step, Health: OK, Says: fmt.Sprintf(format, args...)}
}

// wrong is a step that an error keeps from being well.
func wrong(step string, err error, remedy string) Finding {
	return Finding{Step: step, Health: Bad, Says: err.Error(), Remedy: remedy}
}

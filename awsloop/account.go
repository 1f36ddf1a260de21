package awsloop

import (
	"context"

	"github.com/solocron/solocron/awsloop/stacks"
)

// Account is all of AWS that an installation needs: what the server answers by
// itself, and Lambda, Scheduler, EventBridge and CloudFormation beside it; the
// rest is moto's. Other than each of them alone, they hold each other to their
// rights: a role must be there and trust the service, a rule needs the
// function's permission, and what can't be delivered goes to the queues that
// were named for it.
type Account struct {
	Server    *Server
	Lambda    *Lambda
	Scheduler *Scheduler
	Events    *Events
	Stacks    *stacks.CloudFormation
}

// AccountOptions are all optional.
type AccountOptions struct {
	Clock *Clock // of schedules and rules; nil for the machine's
	// Function is what functions have that are made by CreateFunction, beside
	// what that says: Env, InitTimeout, Concurrency, Speed, OnDead, Output.
	Function FunctionOptions
}

// NewAccount serves a whole account on a server, which needs moto and a
// directory, and listens already, if it is to listen. Schedules and rules fire
// by their clock after [Account.Start].
func NewAccount(s *Server, o AccountOptions) *Account {
	l := NewLambda(s)
	l.common = o.Function
	a := &Account{Server: s, Lambda: l, Scheduler: NewScheduler(s, l, o.Clock), Events: NewEvents(s, l, o.Clock)}
	a.Scheduler.inside, a.Events.inside = s.inside(), s.inside()
	a.Stacks = stacks.New(stacks.Options{
		Config: s.inside().config, Region: s.options.Region, Account: s.options.Account,
		ID: s.guid, Go: func(f func(context.Context)) bool { return s.spawn(f) }, Log: s.log,
	})
	s.Handle("cloudformation", a.Stacks)
	return a
}

// Start has schedules and rules fire until the server is closed.
func (a *Account) Start() {
	a.Scheduler.Start()
	a.Events.Start()
}

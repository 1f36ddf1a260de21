// Package chat sends messages to chat and push services: Slack, Discord,
// Teams, Telegram, ntfy, Gotify and whatever else shoutrrr knows. A target is
// an address in that library's form, such as slack://hook:A-B-C@webhook, and
// holds its secrets; errors name the service alone.
//
// What the library leaves open is settled here. It takes no context: a send
// that outlives its context is left behind, where it may still arrive, and at
// most four of them are. It says little about failures: what an answer's
// status shows to be a refusal is final, everything else worth a retry. Where
// the library would do harm, its service is corrected, see client.go and
// telegram.go.
package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/solocron/solocron/notifier"
)

const (
	timeout   = 30 * time.Second // of one delivery, if the context allows more
	abandoned = 4                // sends at a time, those left behind included
	tailBytes = 500              // with the rest, below every service's limit
)

// Notifier sends messages to one service.
type Notifier struct {
	address string
	name    string // "chat slack", for errors
	redact  *notifier.Redactor
	sends   chan struct{} // one element per send under way
}

// New checks the address as far as that goes without asking the service.
func New(address string) (*Notifier, error) {
	scheme, _, ok := strings.Cut(address, "://")
	service, _, _ := strings.Cut(strings.ToLower(scheme), "+") // generic+https
	switch {
	case !ok:
		return nil, errors.New("chat: the url is not valid: want SERVICE://…, such as slack://hook:A-B-C@webhook")
	case elsewhere[service] != "":
		return nil, fmt.Errorf("chat: %s is not a chat service: %s", service, elsewhere[service])
	case services[service] == nil:
		return nil, errors.New("chat: the url names no service that is known here: want slack, discord, teams, telegram, ntfy, gotify, … (the services of shoutrrr)")
	}
	n := &Notifier{
		address: address,
		name:    "chat " + service,
		redact:  notifier.NewRedactor(strings.TrimPrefix(address, scheme+"://")),
		sends:   make(chan struct{}, abandoned),
	}
	if service == "matrix" { // it would log in at once
		return n, nil
	}
	if _, err := n.locate(); err != nil {
		return nil, fmt.Errorf("%s: the url is not valid for this service, see its page in shoutrrr's documentation for the form", n.name)
	}
	return n, nil
}

// locate makes a service of the address. Each send needs one of its own: the
// library's services keep parts of the message that they sent last.
func (n *Notifier) locate() (service types.Service, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return locate(n.address)
}

// Notify implements [notifier.Notifier].
func (n *Notifier) Notify(ctx context.Context, m notifier.Message) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if ctx.Err() == nil {
		select {
		case n.sends <- struct{}{}:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", n.name, context.Cause(ctx))
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-n.sends }()
		done <- n.send(ctx, m)
	}()
	select {
	case err := <-done:
		return n.explain(ctx, err)
	case <-ctx.Done():
		return n.explain(ctx, ctx.Err())
	}
}

// send hands the message to the library, whose panics are errors.
func (n *Notifier) send(ctx context.Context, m notifier.Message) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	service, err := n.locate()
	if err != nil {
		return err
	}
	if s, ok := service.(*telegram.Service); ok {
		return sendTelegram(ctx, s.GetConfig(), text(m))
	}
	bind(ctx, service)
	params := types.Params{}
	if slices.Contains(titled, service.GetID()) {
		params.SetTitle(notifier.Subject(m))
	}
	return service.Send(text(m), &params)
}

// titled are the services that show a title apart, some of them the library's
// own name if there is none. Others refuse a message with one.
var titled = []string{"bark", "gotify", "join", "ntfy", "pushbullet", "pushover"}

// calls are what services take for a call of somebody to the screen.
var calls = []string{"<!", "<@", "@everyone", "@here", "@channel"}

// text is the message with a blank in whatever would call somebody.
func text(m notifier.Message) string {
	m.Tail = notifier.Tail(m.Tail, tailBytes)
	said := notifier.Text(m)
	for _, call := range calls {
		said = strings.ReplaceAll(said, call, call[:1]+" "+call[1:])
	}
	return said
}

// explain says whether a failure is final, and leaves the secrets out.
func (n *Notifier) explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: no answer: %w", n.name, context.Cause(ctx))
	case refused(status(err)):
		return fmt.Errorf("%s: %w: %s", n.name, notifier.ErrFinal, n.redact.Clean(err.Error()))
	}
	return fmt.Errorf("%s: %s", n.name, n.redact.Clean(err.Error()))
}

package stacks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/smithy-go"
)

// kind is a type of resource: which properties it may have, which of them can't
// be changed in place, and how the service is called for it.
//
// Properties, requirements and what is create-only are the registry's, as in the
// schemas that cfn-lint carries; a property that isn't implemented here is left
// out and so refused.
type kind struct {
	properties []string
	required   []string
	fixed      []string // a change of these replaces the resource
	name       string   // the property that names it; empty if nothing does
	limit      int      // of a name that is made up, in characters
	attributes []string // of Fn::GetAtt
	fixedIn    func(properties) []string

	create func(ctx context.Context, s *services, r physical) (made, error)
	update func(ctx context.Context, s *services, old, r physical) (made, error) // the ID stays
	remove func(ctx context.Context, s *services, r physical) error
}

// physical is a resource as the service has it, or is to have it.
type physical struct {
	ID string // what Ref returns; before it is made, its name
	properties
}

// made is what a service says of what it made.
type made struct {
	ID         string
	attributes map[string]string
}

type properties map[string]any

func (p properties) text(name string) string {
	text, _ := scalarText(p[name])
	return text
}

// list is a list of texts, each with its place in it.
func (p properties) list(name string) []string {
	all, _ := p[name].([]any)
	texts := make([]string, len(all))
	for i, v := range all {
		texts[i], _ = scalarText(v)
	}
	return texts
}

// document is an object as JSON, or a text as it is.
func (p properties) document(name string) string {
	if text, ok := p[name].(string); ok {
		return text
	}
	text, _ := json.Marshal(p[name]) //nolint:errchkjson // it was JSON
	return string(text)
}

// tags are Tags as a map.
func (p properties) tags() map[string]string {
	tags := map[string]string{}
	all, _ := p["Tags"].([]any)
	for _, v := range all {
		tag, _ := v.(map[string]any)
		tags[properties(tag).text("Key")] = properties(tag).text("Value")
	}
	return tags
}

// fill sets the members of an API's request that are named as the properties
// are. A member that the API doesn't know, at any depth, is an error.
func (p properties) fill(in any, except ...string) error {
	some := maps.Clone(p)
	for _, name := range except {
		delete(some, name)
	}
	text, err := json.Marshal(some)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return fmt.Errorf("Properties validation failed: #: %w", err) //nolint:staticcheck // CloudFormation's words
	}
	return nil
}

// check says what the registry would say of the properties.
func (k kind) check(id string, p properties) error {
	for _, name := range sorted(p) {
		if !slices.Contains(k.properties, name) {
			return fmt.Errorf("Properties validation failed for resource %s with message: [#: extraneous key [%s] is not permitted]", id, name) //nolint:staticcheck // as above
		}
	}
	for _, name := range k.required {
		if p[name] == nil {
			return fmt.Errorf("Properties validation failed for resource %s with message: [#: required key [%s] not found]", id, name) //nolint:staticcheck // as above
		}
	}
	return nil
}

// replaces are the properties whose change makes a new resource.
func (k kind) replaces(p properties) []string {
	if k.fixedIn != nil {
		return append(slices.Clone(k.fixed), k.fixedIn(p)...)
	}
	return k.fixed
}

// differing are the names of the properties that differ.
func differing(a, b map[string]any) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, b)
	return slices.DeleteFunc(sorted(all), func(name string) bool { return reflect.DeepEqual(a[name], b[name]) })
}

// absent are the codes that services have for what isn't there.
var absent = []string{
	"ResourceNotFoundException", "NoSuchEntity", "NotFound", "NotFoundException",
	"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "InvalidDocument",
}

// unlessAbsent takes away an error that says that the thing isn't there, which
// is all that its removal wants.
func unlessAbsent(err error) error {
	if is(err, absent...) {
		return nil
	}
	return err
}

func is(err error, codes ...string) bool {
	var known smithy.APIError
	return errors.As(err, &known) && slices.Contains(codes, known.ErrorCode())
}

// poll is how long resources are given to become ready, and how often they're
// looked at.
const (
	pollEvery = 20 * time.Millisecond
	pollLimit = time.Minute
)

// await asks until it is done.
func await(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, pollLimit, errors.New(what+" did not stabilize"))
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// madeUp is the name of a resource that the template leaves to CloudFormation:
// the stack's, the resource's, and twelve characters of chance.
func madeUp(stack, id, chance string, limit int) string {
	tail := "-" + strings.ToUpper(strings.ReplaceAll(chance, "-", ""))[:12]
	head := stack + "-" + id
	return head[:min(len(head), limit-len(tail))] + tail
}

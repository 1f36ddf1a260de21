package awsloop

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
)

func (x *Scheduler) createGroup(r *http.Request, body []byte) (any, error) {
	var in scheduler.CreateScheduleGroupInput
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	name := r.PathValue("name")
	if err := checkName("Name", name); err != nil {
		return nil, err
	}
	if x.groups[name] != nil {
		return nil, conflict("Schedule group " + name + " already exists.")
	}
	now := x.clock.Now()
	g := &group{name: name, created: now, modified: now}
	if err := g.tag(in.Tags); err != nil {
		return nil, err
	}
	x.groups[name] = g
	return scheduler.CreateScheduleGroupOutput{ScheduleGroupArn: aws.String(x.groupARN(name))}, nil
}

func (x *Scheduler) getGroup(r *http.Request, _ []byte) (any, error) {
	g, err := x.group(r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	s := x.summary(g)
	return scheduler.GetScheduleGroupOutput{
		Arn: s.Arn, Name: s.Name, State: s.State,
		CreationDate: s.CreationDate, LastModificationDate: s.LastModificationDate,
	}, nil
}

// deleteGroup deletes its schedules with it, at once; on AWS some may fire a
// while longer.
func (x *Scheduler) deleteGroup(r *http.Request, _ []byte) (any, error) {
	name := r.PathValue("name")
	if name == "default" {
		return nil, notValid("The default schedule group cannot be deleted.")
	}
	if _, err := x.group(name); err != nil {
		return nil, err
	}
	delete(x.groups, name)
	maps.DeleteFunc(x.schedules, func(_ string, e *entry) bool { return *e.GroupName == name })
	return scheduler.DeleteScheduleGroupOutput{}, nil
}

func (x *Scheduler) listGroups(r *http.Request, _ []byte) (any, error) {
	prefix := r.URL.Query().Get("NamePrefix")
	all := []types.ScheduleGroupSummary{}
	for _, g := range x.groups {
		if strings.HasPrefix(g.name, prefix) {
			all = append(all, x.summary(g))
		}
	}
	part, next, err := pageOf(r, all, func(s types.ScheduleGroupSummary) string { return *s.Name })
	return scheduler.ListScheduleGroupsOutput{ScheduleGroups: part, NextToken: next}, err
}

func (x *Scheduler) summary(g *group) types.ScheduleGroupSummary {
	return types.ScheduleGroupSummary{
		Arn: aws.String(x.groupARN(g.name)), Name: &g.name, State: types.ScheduleGroupStateActive,
		CreationDate: &g.created, LastModificationDate: &g.modified,
	}
}

// group finds one by name.
func (x *Scheduler) group(name string) (*group, error) {
	if err := checkName("GroupName", name); err != nil {
		return nil, err
	}
	if g := x.groups[name]; g != nil {
		return g, nil
	}
	return nil, missing("Schedule group " + name + " does not exist.")
}

func (x *Scheduler) groupARN(name string) string {
	return "arn:aws:scheduler:" + x.server.options.Region + ":" + x.server.options.Account + ":schedule-group/" + name
}

// checkRole says that Scheduler can't assume a target's role: there is none, or
// it doesn't trust the group. Nobody asks where services are served alone.
//
// Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
func (x *Scheduler) checkRole(ctx context.Context, group string, t *types.Target) error {
	if x.inside == nil {
		return nil
	}
	err := x.inside.assume(ctx, *t.RoleArn, "scheduler.amazonaws.com", map[string]string{
		"aws:SourceAccount": x.server.options.Account, "aws:SourceArn": x.groupARN(group),
	})
	if err != nil {
		x.server.log.Info("role not assumed by Scheduler", "role", *t.RoleArn, "err", err)
		return errSchedulerRole
	}
	return nil
}

var errSchedulerRole = notValid("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")

// tagged finds the group that the request's ARN means; schedules have no tags.
func (x *Scheduler) tagged(r *http.Request) (*group, error) {
	arn, err := url.PathUnescape(r.PathValue("arn"))
	name, ok := strings.CutPrefix(arn, x.groupARN(""))
	if err != nil || !ok {
		return nil, notValid("ResourceArn " + arn + " is not a schedule group's")
	}
	return x.group(name)
}

func (x *Scheduler) tag(r *http.Request, body []byte) (any, error) {
	var in scheduler.TagResourceInput
	g, err := x.tagged(r)
	if err == nil {
		err = decode(body, &in)
	}
	if err == nil {
		err = g.tag(in.Tags)
	}
	return scheduler.TagResourceOutput{}, err
}

// tag sets tags, in the place of those with the same keys.
func (g *group) tag(tags []types.Tag) error {
	for _, t := range tags {
		if key, value := aws.ToString(t.Key), aws.ToString(t.Value); key == "" || len(key) > 128 || value == "" || len(value) > 256 {
			return notValid("Tags: key " + key + " needs 1 to 128 characters, its value 1 to 256")
		}
		g.untag([]string{*t.Key})
		g.tags = append(g.tags, t)
	}
	return nil
}

func (g *group) untag(keys []string) {
	g.tags = slices.DeleteFunc(g.tags, func(t types.Tag) bool { return slices.Contains(keys, *t.Key) })
}

func (x *Scheduler) untag(r *http.Request, _ []byte) (any, error) {
	g, err := x.tagged(r)
	if err == nil {
		g.untag(r.URL.Query()["TagKeys"])
	}
	return scheduler.UntagResourceOutput{}, err
}

func (x *Scheduler) listTags(r *http.Request, _ []byte) (any, error) {
	g, err := x.tagged(r)
	if err != nil {
		return nil, err
	}
	return scheduler.ListTagsForResourceOutput{Tags: append([]types.Tag{}, g.tags...)}, nil
}

// decode reads a body into the SDK's own structure.
func decode(body []byte, in any) error {
	if len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, in); err != nil {
		return refusal("SerializationException", err.Error())
	}
	return nil
}

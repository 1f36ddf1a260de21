package awsloop

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// describeInstanceInformation lists the registered instances that aren't
// stopped: 10 on a page unless 5 to 50 are asked for.
func (m *systemsManager) describeInstanceInformation(
	_ context.Context, in *ssm.DescribeInstanceInformationInput,
) (*ssm.DescribeInstanceInformationOutput, error) {
	limit, err := pageSize(in.MaxResults, 5, 10)
	if err != nil {
		return nil, err
	}
	filters, err := instanceFilters(in)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var listed []*Instance
	for _, i := range m.instances {
		if !i.terminated && !i.stopped && i.fits(filters) {
			listed = append(listed, i)
		}
	}
	some, token, err := page(listed, func(i *Instance) int { return i.number }, in.NextToken, limit)
	if err != nil {
		return nil, err
	}
	out := &ssm.DescribeInstanceInformationOutput{InstanceInformationList: []types.InstanceInformation{}, NextToken: token}
	for _, i := range some {
		out.InstanceInformationList = append(out.InstanceInformationList, i.information())
	}
	return out, nil
}

// information is what the service knows of the instance. m.mu is held.
func (i *Instance) information() types.InstanceInformation {
	status, seen := i.ping()
	out := types.InstanceInformation{
		InstanceId: &i.id, PingStatus: status, LastPingDateTime: &seen, RegistrationDate: &i.registered,
		PlatformType: i.options.Platform, AgentVersion: aws.String("3.3.987.0"), IsLatestVersion: aws.Bool(true),
		ResourceType: types.ResourceTypeEc2Instance,
	}
	if i.hybrid() {
		out.ResourceType = types.ResourceTypeManagedInstance
	}
	if i.options.Name != "" {
		out.Name, out.ComputerName = &i.options.Name, &i.options.Name
	}
	return out
}

// instanceFilters reads both forms of filters, which can't be mixed, as tag
// filters can't be mixed with others.
func instanceFilters(in *ssm.DescribeInstanceInformationInput) (map[string][]string, error) {
	if len(in.Filters) > 0 && len(in.InstanceInformationFilterList) > 0 {
		return nil, refusal("ValidationException", "Filters and InstanceInformationFilterList can't be used together.")
	}
	filters, tags := map[string][]string{}, 0
	for _, f := range in.InstanceInformationFilterList {
		filters[string(f.Key)] = f.ValueSet
	}
	for _, f := range in.Filters {
		filters[aws.ToString(f.Key)] = f.Values
	}
	for key, values := range filters {
		switch {
		case key == "tag-key", strings.HasPrefix(key, "tag:") && len(in.Filters) > 0:
			tags++
		case !slices.Contains([]string{"InstanceIds", "PingStatus", "PlatformTypes", "ResourceType"}, key):
			return nil, &types.InvalidFilterKey{Message: aws.String("awsloop doesn't know the filter " + key)}
		}
		if len(values) < 1 || len(values) > 100 {
			return nil, &types.InvalidInstanceInformationFilterValue{Message: aws.String(key + " takes from 1 to 100 values")}
		}
	}
	if tags > 0 && tags < len(filters) {
		return nil, refusal("ValidationException", "Tag filters can't be combined with other filters.")
	}
	return filters, nil
}

// fits says whether the instance passes all filters. m.mu is held.
func (i *Instance) fits(filters map[string][]string) bool {
	for key, values := range filters {
		var have string
		switch key {
		case "InstanceIds":
			have = i.id
		case "PingStatus":
			status, _ := i.ping()
			have = string(status)
		case "PlatformTypes":
			have = string(i.options.Platform)
		case "ResourceType":
			have = string(i.information().ResourceType)
		case "tag-key":
			if !slices.ContainsFunc(values, func(v string) bool { _, ok := i.tags[v]; return ok }) {
				return false
			}
			continue
		default:
			have = i.tags[strings.TrimPrefix(key, "tag:")]
		}
		if !slices.Contains(values, have) {
			return false
		}
	}
	return true
}

func (m *systemsManager) getConnectionStatus(
	_ context.Context, in *ssm.GetConnectionStatusInput,
) (*ssm.GetConnectionStatusOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := &ssm.GetConnectionStatusOutput{Target: in.Target, Status: types.ConnectionStatusNotConnected}
	if i := m.find(aws.ToString(in.Target)); i != nil && i.online {
		out.Status = types.ConnectionStatusConnected
	}
	return out, nil
}

// tagged finds the tags of a document or of a managed node; those of an EC2
// instance are EC2's business. m.mu is held.
func (m *systemsManager) tagged(kind types.ResourceTypeForTagging, id *string) (map[string]string, error) {
	switch kind {
	case types.ResourceTypeForTaggingDocument:
		if d, err := m.document(id); err == nil && d.tags != nil {
			return d.tags, nil
		}
	case types.ResourceTypeForTaggingManagedInstance:
		if i := m.find(aws.ToString(id)); i != nil && i.hybrid() {
			return i.tags, nil
		}
	default:
		return nil, &types.InvalidResourceType{Message: aws.String("awsloop doesn't tag " + string(kind))}
	}
	return nil, &types.InvalidResourceId{Message: id}
}

func (m *systemsManager) addTagsToResource(
	_ context.Context, in *ssm.AddTagsToResourceInput,
) (*ssm.AddTagsToResourceOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tags, err := m.tagged(in.ResourceType, in.ResourceId)
	if err != nil {
		return nil, err
	}
	setTags(tags, in.Tags)
	return &ssm.AddTagsToResourceOutput{}, nil
}

func (m *systemsManager) removeTagsFromResource(
	_ context.Context, in *ssm.RemoveTagsFromResourceInput,
) (*ssm.RemoveTagsFromResourceOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tags, err := m.tagged(in.ResourceType, in.ResourceId)
	if err != nil {
		return nil, err
	}
	for _, key := range in.TagKeys {
		delete(tags, key)
	}
	return &ssm.RemoveTagsFromResourceOutput{}, nil
}

func (m *systemsManager) listTagsForResource(
	_ context.Context, in *ssm.ListTagsForResourceInput,
) (*ssm.ListTagsForResourceOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tags, err := m.tagged(in.ResourceType, in.ResourceId)
	if err != nil {
		return nil, err
	}
	return &ssm.ListTagsForResourceOutput{TagList: tagList(tags)}, nil
}

func setTags(tags map[string]string, more []types.Tag) {
	for _, t := range more {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
}

func tagList(tags map[string]string) []types.Tag {
	list := []types.Tag{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{Key: &key, Value: aws.String(tags[key])})
	}
	return list
}

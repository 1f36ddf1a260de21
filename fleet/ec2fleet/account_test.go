package ec2fleet

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// account is an AWS account as far as this package asks about it, on the real
// wire protocols and with the real sizes of pages.
type account struct {
	instances []instance
	agents    []agent
	members   []member
	targets   []target
	tags      map[string]map[string]string // of nodes outside of EC2

	repeat  int               // each page of instances begins with so many of the last one
	endless map[string]string // operation: the token that each page ends with, "+" for new ones
	refuse  map[string]string // operation: the error's code

	mu       sync.Mutex
	throttle map[string]int // operation: how many calls are turned away
	calls    map[string]int
	filters  url.Values // of the last DescribeInstances
}

type instance struct {
	id, state, platform string
	launched            time.Time
	tags                map[string]string
}

type agent struct {
	id, ping, platform string
	heard, registered  time.Time
}

type member struct {
	id, group, lifecycle, health string
	protected                    bool
}

type target struct{ id, state string }

// online is an agent that just reported.
func online(id string) agent {
	return agent{id: id, ping: "Online", platform: "Linux", heard: time.Now()}
}

// fleet serves the account for the time of the test.
func (a *account) fleet(t testing.TB, change func(*Options)) *Fleet {
	t.Helper()
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	o := options(config(s.URL, whole{s.Client()}))
	if change != nil {
		change(&o)
	}
	return New(o)
}

// called counts the calls of each operation so far.
func (a *account) called() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls
}

func (a *account) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	form, _ := url.ParseQuery(string(body))
	operation := form.Get("Action")
	if target := q.Header.Get("X-Amz-Target"); target != "" {
		operation = strings.TrimPrefix(target, "AmazonSSM.")
	}
	if code := a.enter(operation, form); code != "" {
		a.error(w, operation, code)
		return
	}
	switch operation {
	case "DescribeInstances":
		a.describeInstances(w, form)
	case "DescribeInstanceInformation":
		a.describeInstanceInformation(w, body)
	case "ListTagsForResource":
		a.listTagsForResource(w, body)
	case "DescribeAutoScalingInstances":
		a.describeAutoScalingInstances(w, form)
	case "SetInstanceProtection":
		a.setInstanceProtection(w, form)
	case "DescribeTargetHealth":
		a.describeTargetHealth(w)
	default:
		a.error(w, operation, "InvalidAction")
	}
}

// enter counts the call and returns the code of the error to answer with.
func (a *account) enter(operation string, form url.Values) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.calls == nil {
		a.calls = map[string]int{}
	}
	a.calls[operation]++
	if operation == "DescribeInstances" {
		a.filters = form
	}
	if a.throttle[operation] > 0 {
		a.throttle[operation]--
		return "ThrottlingException"
	}
	return a.refuse[operation]
}

func (*account) error(w http.ResponseWriter, operation, code string) {
	w.WriteHeader(http.StatusBadRequest)
	switch operation {
	case "DescribeInstances":
		fmt.Fprintf(w, "<Response><Errors><Error><Code>%s</Code><Message>said no</Message></Error></Errors></Response>", code)
	case "DescribeInstanceInformation", "ListTagsForResource":
		fmt.Fprintf(w, `{"__type":%q,"message":"said no"}`, code)
	default:
		fmt.Fprintf(w, "<ErrorResponse><Error><Code>%s</Code><Message>said no</Message></Error></ErrorResponse>", code)
	}
}

// page cuts the elements from the token on, and returns the next token.
func page[T any](a *account, operation, token string, size, repeat int, all []T) ([]T, string) {
	from, _ := strconv.Atoi(token)
	switch end := a.endless[operation]; end {
	case "":
	case "+":
		return nil, strconv.Itoa(from + 1)
	default:
		return nil, end
	}
	to := min(from+size, len(all))
	from = max(from-repeat, 0)
	if to < len(all) {
		return all[from:to], strconv.Itoa(to)
	}
	return all[from:], ""
}

func write(w io.Writer, format string, values ...any) {
	for i, v := range values {
		if s, ok := v.(string); ok {
			var b strings.Builder
			_ = xml.EscapeText(&b, []byte(s))
			values[i] = b.String()
		}
	}
	fmt.Fprintf(w, format, values...)
}

func (a *account) describeInstances(w http.ResponseWriter, form url.Values) {
	size, _ := strconv.Atoi(form.Get("MaxResults"))
	if size < 5 || size > 1000 {
		a.error(w, "DescribeInstances", "InvalidParameterValue")
		return
	}
	var fit []instance
	for _, i := range a.instances {
		if passes(i, form) {
			fit = append(fit, i)
		}
	}
	list, next := page(a, "DescribeInstances", form.Get("NextToken"), size, a.repeat, fit)
	write(w, "<DescribeInstancesResponse><reservationSet>")
	for _, i := range list {
		write(w, "<item><instancesSet><item><instanceId>%s</instanceId><instanceState><name>%s</name></instanceState><launchTime>%s</launchTime>",
			i.id, i.state, i.launched.UTC().Format(time.RFC3339))
		if i.platform != "" {
			write(w, "<platform>%s</platform>", i.platform)
		}
		write(w, "<tagSet>")
		for k, v := range i.tags {
			write(w, "<item><key>%s</key><value>%s</value></item>", k, v)
		}
		write(w, "</tagSet></item></instancesSet></item>")
	}
	write(w, "</reservationSet><nextToken>%s</nextToken></DescribeInstancesResponse>", next)
}

// passes plays EC2's filters; of wildcards it knows the lone asterisk.
func passes(i instance, form url.Values) bool {
	for n := 1; ; n++ {
		prefix := fmt.Sprintf("Filter.%d.", n)
		name, value := form.Get(prefix+"Name"), form.Get(prefix+"Value.1")
		key, isTag := strings.CutPrefix(name, "tag:")
		got, has := i.tags[key]
		switch {
		case name == "":
			return true
		case isTag && (!has || value != "*" && value != got):
			return false
		case name == "instance-state-name" && !slices.Contains(values(form, prefix+"Value."), i.state):
			return false
		}
	}
}

func values(form url.Values, prefix string) (list []string) {
	for n := 1; form.Has(prefix + strconv.Itoa(n)); n++ {
		list = append(list, form.Get(prefix+strconv.Itoa(n)))
	}
	return list
}

func (a *account) describeInstanceInformation(w http.ResponseWriter, body []byte) {
	var in struct {
		Filters []struct {
			Key    string
			Values []string
		}
		MaxResults int
		NextToken  string
	}
	if json.Unmarshal(body, &in) != nil || len(in.Filters) != 1 || len(in.Filters[0].Values) > 100 || in.MaxResults > 50 {
		a.error(w, "DescribeInstanceInformation", "InvalidInstanceInformationFilterValue")
		return
	}
	var fit []agent
	for _, g := range a.agents {
		outside := strings.HasPrefix(g.id, "mi-")
		if in.Filters[0].Key == "ResourceType" && outside || in.Filters[0].Key == "InstanceIds" && slices.Contains(in.Filters[0].Values, g.id) {
			fit = append(fit, g)
		}
	}
	list, next := page(a, "DescribeInstanceInformation", in.NextToken, in.MaxResults, 0, fit)
	infos := []map[string]any{}
	for _, g := range list {
		infos = append(infos, map[string]any{
			"InstanceId": g.id, "PingStatus": g.ping, "PlatformType": g.platform,
			"LastPingDateTime": g.heard.Unix(), "RegistrationDate": g.registered.Unix(),
		})
	}
	answer(w, map[string]any{"InstanceInformationList": infos, "NextToken": next})
}

func (a *account) listTagsForResource(w http.ResponseWriter, body []byte) {
	var in map[string]string
	if json.Unmarshal(body, &in) != nil || in["ResourceType"] != "ManagedInstance" || a.tags[in["ResourceId"]] == nil {
		a.error(w, "ListTagsForResource", "InvalidResourceId")
		return
	}
	list := []map[string]string{}
	for k, v := range a.tags[in["ResourceId"]] {
		list = append(list, map[string]string{"Key": k, "Value": v})
	}
	answer(w, map[string]any{"TagList": list})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(v)
}

func (a *account) describeAutoScalingInstances(w http.ResponseWriter, form url.Values) {
	ids := values(form, "InstanceIds.member.")
	if len(ids) > 50 {
		a.error(w, "DescribeAutoScalingInstances", "ValidationError")
		return
	}
	write(w, "<DescribeAutoScalingInstancesResponse><DescribeAutoScalingInstancesResult><AutoScalingInstances>")
	for _, m := range a.members {
		if slices.Contains(ids, m.id) {
			write(w, "<member><InstanceId>%s</InstanceId><AutoScalingGroupName>%s</AutoScalingGroupName><LifecycleState>%s</LifecycleState><HealthStatus>%s</HealthStatus><ProtectedFromScaleIn>%t</ProtectedFromScaleIn></member>",
				m.id, m.group, m.lifecycle, m.health, m.protected)
		}
	}
	write(w, "</AutoScalingInstances></DescribeAutoScalingInstancesResult></DescribeAutoScalingInstancesResponse>")
}

func (a *account) setInstanceProtection(w http.ResponseWriter, form url.Values) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for k := range a.members {
		m := &a.members[k]
		if m.id == form.Get("InstanceIds.member.1") && m.group == form.Get("AutoScalingGroupName") && m.lifecycle == "InService" {
			m.protected = form.Get("ProtectedFromScaleIn") == "true"
			write(w, "<SetInstanceProtectionResponse><SetInstanceProtectionResult/></SetInstanceProtectionResponse>")
			return
		}
	}
	a.error(w, "SetInstanceProtection", "ValidationError")
}

func (a *account) describeTargetHealth(w http.ResponseWriter) {
	write(w, "<DescribeTargetHealthResponse><DescribeTargetHealthResult><TargetHealthDescriptions>")
	for _, t := range a.targets {
		write(w, "<member><Target><Id>%s</Id></Target><TargetHealth><State>%s</State></TargetHealth></member>", t.id, t.state)
	}
	write(w, "</TargetHealthDescriptions></DescribeTargetHealthResult></DescribeTargetHealthResponse>")
}

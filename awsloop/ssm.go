package awsloop

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// systemsManager is the service: what it was told, and the instances whose
// agents it talks to. One lock holds it all; no callback runs under it.
type systemsManager struct {
	server *Server

	mu         sync.Mutex
	closed     bool
	timers     map[*time.Timer]bool
	number     int // of what was made last
	commands   map[string]*command
	sent       []*command // oldest first
	documents  map[string]*document
	parameters map[string]string
	instances  []*Instance // as they were added
}

func newSystemsManager(s *Server) *systemsManager {
	m := &systemsManager{
		server:     s,
		timers:     map[*time.Timer]bool{},
		commands:   map[string]*command{},
		documents:  map[string]*document{},
		parameters: map[string]string{},
	}
	m.addBuiltin("AWS-RunShellScript", runShellScript)
	s.onClose(m.close)
	s.Handle("ssm", rpc{
		"AddTagsToResource":            op(m.addTagsToResource),
		"CancelCommand":                op(m.cancelCommand),
		"CreateDocument":               op(m.createDocument),
		"DeleteDocument":               op(m.deleteDocument),
		"DescribeDocument":             op(m.describeDocument),
		"DescribeInstanceInformation":  op(m.describeInstanceInformation),
		"GetCommandInvocation":         op(m.getCommandInvocation),
		"GetConnectionStatus":          op(m.getConnectionStatus),
		"GetDocument":                  op(m.getDocument),
		"GetParameter":                 op(m.getParameter),
		"GetParameters":                op(m.getParameters),
		"ListCommandInvocations":       op(m.listCommandInvocations),
		"ListCommands":                 op(m.listCommands),
		"ListDocuments":                op(m.listDocuments),
		"ListTagsForResource":          op(m.listTagsForResource),
		"PutParameter":                 op(m.putParameter),
		"RemoveTagsFromResource":       op(m.removeTagsFromResource),
		"SendCommand":                  op(m.sendCommand),
		"UpdateDocument":               op(m.updateDocument),
		"UpdateDocumentDefaultVersion": op(m.updateDocumentDefaultVersion),
	})
	return m
}

// close ends the instances and whatever waits for its time.
func (m *systemsManager) close() {
	m.mu.Lock()
	m.closed = true
	for t := range m.timers {
		t.Stop()
	}
	instances := m.instances
	m.mu.Unlock()
	for _, i := range instances {
		i.end()
	}
}

// after has f called in d, m.mu held, unless the service is closed by then.
// m.mu is held.
func (m *systemsManager) after(d time.Duration, f func()) *time.Timer {
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.timers, t)
		if !m.closed {
			f()
		}
	})
	m.timers[t] = true
	return t
}

// forget takes back what after was told. m.mu is held.
func (m *systemsManager) forget(t *time.Timer) {
	t.Stop()
	delete(m.timers, t)
}

// next numbers what is made, in order. m.mu is held.
func (m *systemsManager) next() int {
	m.number++
	return m.number
}

// uuid makes up an identifier.
func (s *Server) uuid() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, b := s.rand.Uint64(), s.rand.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff)
}

// page is the part of the items, sorted by their number, that follows the token
// of the page before, and the token for the next.
func page[T any](items []T, number func(T) int, token *string, limit int) ([]T, *string, error) {
	start := 0
	if token != nil {
		last, err := strconv.Atoi(*token)
		if err != nil {
			return nil, nil, &types.InvalidNextToken{Message: aws.String("The specified token isn't valid.")}
		}
		for start < len(items) && number(items[start]) <= last {
			start++
		}
	}
	rest := items[start:]
	if len(rest) <= limit {
		return rest, nil, nil
	}
	rest = rest[:limit]
	return rest, aws.String(strconv.Itoa(number(rest[limit-1]))), nil
}

// pageSize checks a page's size, from low to 50, whose default is used for nil.
func pageSize(asked *int32, low, otherwise int32) (int, error) {
	const high = 50
	if asked == nil {
		return int(otherwise), nil
	}
	if *asked < low || *asked > high {
		return 0, invalid("maxResults", *asked, fmt.Sprintf("must be from %d to %d", low, high))
	}
	return int(*asked), nil
}

// invalid is the answer to a member that breaks its constraint.
func invalid(member string, value any, constraint string) error {
	return refusal("ValidationException", fmt.Sprintf(
		"1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: Member %s", value, member, constraint))
}

var (
	instancePattern = regexp.MustCompile(`^(i-(\w{8}|\w{17})|mi-\w{17})$`)
	commandPattern  = regexp.MustCompile(`^.{36}$`)
)

// The Parameter Store, as far as commands refer to it.

// getParameter answers with the value that PutParameter left.
func (m *systemsManager) getParameter(_ context.Context, in *ssm.GetParameterInput) (*ssm.GetParameterOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.parameters[aws.ToString(in.Name)]
	if !ok {
		return nil, &types.ParameterNotFound{Message: in.Name}
	}
	return &ssm.GetParameterOutput{Parameter: parameter(*in.Name, value)}, nil
}

func (m *systemsManager) getParameters(_ context.Context, in *ssm.GetParametersInput) (*ssm.GetParametersOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := &ssm.GetParametersOutput{Parameters: []types.Parameter{}, InvalidParameters: []string{}}
	for _, name := range in.Names {
		if value, ok := m.parameters[name]; ok {
			out.Parameters = append(out.Parameters, *parameter(name, value))
		} else {
			out.InvalidParameters = append(out.InvalidParameters, name)
		}
	}
	return out, nil
}

func parameter(name, value string) *types.Parameter {
	return &types.Parameter{Name: &name, Value: &value, Type: types.ParameterTypeString, Version: 1}
}

func (m *systemsManager) putParameter(_ context.Context, in *ssm.PutParameterInput) (*ssm.PutParameterOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if in.Name == nil || in.Value == nil {
		return nil, invalid("name", nil, "must not be null")
	}
	if _, ok := m.parameters[*in.Name]; ok && !aws.ToBool(in.Overwrite) {
		return nil, &types.ParameterAlreadyExists{Message: in.Name}
	}
	m.parameters[*in.Name] = *in.Value
	return &ssm.PutParameterOutput{Version: 1, Tier: types.ParameterTierStandard}, nil
}

// find is the instance that is registered under the ID, or nil. m.mu is held.
func (m *systemsManager) find(id string) *Instance {
	i := slices.IndexFunc(m.instances, func(i *Instance) bool { return i.id == id && !i.terminated })
	if i < 0 {
		return nil
	}
	return m.instances[i]
}

package awsloop_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/solocron/solocron/awsloop"
)

// model is botocore's description of a service.
type model struct {
	Operations map[string]struct {
		Input  struct{ Shape string }
		Output struct{ Shape string }
		Errors []struct{ Shape string }
	}
	Shapes map[string]shape
}

type shape struct {
	Type     string
	Members  map[string]struct{ Shape string }
	Member   struct{ Shape string }
	Value    struct{ Shape string }
	Required []string
	Enum     []string
	Pattern  string
	Min, Max *float64
}

var loadModel = sync.OnceValues(func() (*model, error) { return readModel("ssm/2014-11-06") })

// readModel reads a service's model of a version.
func readModel(version string) (*model, error) {
	out, err := exec.Command("python3", "-c", "import botocore; print(botocore.__path__[0])").Output()
	if err != nil {
		return nil, fmt.Errorf("python3 can't import botocore, which has the API's model (Debian packages awscli or python3-botocore): %w", err)
	}
	path := filepath.Join(strings.TrimSpace(string(out)), "data", version, "service-2.json.gz")
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	m := &model{}
	return m, json.NewDecoder(unzipped).Decode(m)
}

// checked holds each request and answer that passes against the model.
type checked struct {
	t     *testing.T
	model *model
	http.RoundTripper
}

// client is a client of the server's Systems Manager, all of whose traffic is
// held against the model.
func client(t *testing.T, s *awsloop.Server) *ssm.Client {
	t.Helper()
	m, err := loadModel()
	if err != nil {
		t.Fatal(err)
	}
	config := s.Config("us-east-1")
	config.HTTPClient = &http.Client{Transport: checked{t, m, s.RoundTripper()}}
	return ssm.NewFromConfig(config)
}

func (c checked) RoundTrip(r *http.Request) (*http.Response, error) {
	asked, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(asked))
	_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	operation := c.model.Operations[name]
	c.compare(name+" request", operation.Input.Shape, bytes.NewReader(asked), false)
	answer, err := c.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if answer.StatusCode == http.StatusOK {
		c.compare(name+" answer", operation.Output.Shape, bytes.NewReader(body), true)
		return answer, nil
	}
	var fault struct {
		Type string `json:"__type"`
	}
	if err := json.Unmarshal(body, &fault); err != nil {
		c.t.Errorf("%s error isn't JSON: %q", name, body)
	}
	general := []string{"ValidationException", "ThrottlingException", "UnknownOperationException", "SerializationException"}
	known := func(e struct{ Shape string }) bool { return e.Shape == fault.Type }
	if !slices.ContainsFunc(operation.Errors, known) && !slices.Contains(general, fault.Type) {
		c.t.Errorf("%s answers with the error %q, which its model doesn't list", name, fault.Type)
	}
	return answer, nil
}

func (c checked) compare(where, shape string, body io.Reader, strict bool) {
	var value any
	if err := json.NewDecoder(body).Decode(&value); err != nil {
		c.t.Errorf("%s isn't JSON: %v", where, err)
		return
	}
	c.check(where, shape, value, strict)
}

// check holds a value against its shape; strictly also its limits.
func (c checked) check(where, name string, value any, strict bool) {
	s, ok := c.model.Shapes[name]
	if !ok {
		c.t.Errorf("%s: the model has no shape %q", where, name)
		return
	}
	switch v := value.(type) {
	case map[string]any:
		c.checkMap(where, s, v, strict)
	case []any:
		if s.Type != "list" {
			c.t.Errorf("%s: a list for a %s", where, s.Type)
			return
		}
		for i, element := range v {
			c.check(fmt.Sprintf("%s[%d]", where, i), s.Member.Shape, element, strict)
		}
	case string:
		if s.Type != "string" {
			c.t.Errorf("%s: a string for a %s", where, s.Type)
		}
		if strict {
			c.checkText(where, s, v)
		}
	case float64:
		if !slices.Contains([]string{"integer", "long", "timestamp", "double", "float"}, s.Type) {
			c.t.Errorf("%s: a number for a %s", where, s.Type)
		}
	case bool:
		if s.Type != "boolean" {
			c.t.Errorf("%s: a boolean for a %s", where, s.Type)
		}
	default:
		c.t.Errorf("%s: %T in JSON", where, value)
	}
}

func (c checked) checkMap(where string, s shape, v map[string]any, strict bool) {
	for key, member := range v {
		inner := where + "." + key
		switch s.Type {
		case "map":
			c.check(inner, s.Value.Shape, member, strict)
		case "structure":
			if m, ok := s.Members[key]; ok {
				c.check(inner, m.Shape, member, strict)
			} else {
				c.t.Errorf("%s: the model has no such member", inner)
			}
		default:
			c.t.Errorf("%s: an object for a %s", where, s.Type)
		}
	}
}

// checkText leaves out lookaheads, which Go's patterns don't have.
func (c checked) checkText(where string, s shape, text string) {
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
		c.t.Errorf("%s: %q isn't in the enumeration %v", where, text, s.Enum)
	}
	if s.Max != nil && float64(len(text)) > *s.Max {
		c.t.Errorf("%s: %q is too long", where, text)
	}
	if p, err := regexp.Compile(s.Pattern); err == nil && text != "" && !p.MatchString(text) {
		c.t.Errorf("%s: %q doesn't match %s", where, text, s.Pattern)
	}
}

package policy

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/solocron/solocron/stack"
)

// Document is a policy as IAM takes it.
type Document struct {
	Version   string
	Statement []rule
}

// version is the language's, not ours.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
const version = "2012-10-17"

type rule struct {
	Sid       string `json:",omitempty"`
	Effect    string
	Principal map[string]string `json:",omitempty"`
	Action    oneOrMore
	Resource  oneOrMore                       `json:",omitempty"`
	Condition map[string]map[string]oneOrMore `json:",omitempty"`
}

// oneOrMore is written without brackets if it is one.
type oneOrMore []string

// MarshalJSON implements [json.Marshaler].
func (o oneOrMore) MarshalJSON() ([]byte, error) {
	if len(o) == 1 {
		return encode(o[0])
	}
	return encode([]string(o))
}

// Allow is the policy of the statements at a place.
func Allow(statements []Statement, p stack.Place) Document {
	d := Document{Version: version, Statement: make([]rule, 0, len(statements))}
	for _, s := range statements {
		s = s.At(p)
		d.Statement = append(d.Statement, rule{Sid: s.Sid, Effect: "Allow", Action: s.Actions, Resource: s.Resources, Condition: s.Condition.written()})
	}
	return d
}

// TrustPolicy says who may assume the role.
func (r *Role) TrustPolicy(p stack.Place) Document {
	return Document{Version: version, Statement: []rule{{
		Effect: "Allow", Principal: map[string]string{"Service": r.Service}, Action: oneOrMore{"sts:AssumeRole"}, Condition: r.Trust.At(p).written(),
	}}}
}

// JSON is the document without a needless byte. The same document gives the
// same text.
func (d Document) JSON() string {
	text, err := encode(d)
	if err != nil {
		panic(err) // strings alone
	}
	return string(text)
}

// size is what IAM counts: characters, but for white space outside of strings,
// of which there is none.
func (d Document) size() int { return utf8.RuneCountInString(d.JSON()) }

// At is the statement with its placeholders filled in.
func (s Statement) At(p stack.Place) Statement {
	s.Resources, s.Condition = fill(p, s.Resources), s.Condition.At(p)
	return s
}

// At is the condition with its placeholders filled in.
func (c Condition) At(p stack.Place) Condition {
	if c == nil {
		return nil
	}
	filled := Condition{}
	for operator, keys := range c {
		filled[operator] = map[string][]string{}
		for key, values := range keys {
			filled[operator][key] = fill(p, values)
		}
	}
	return filled
}

func (c Condition) written() map[string]map[string]oneOrMore {
	w := map[string]map[string]oneOrMore{}
	for operator, keys := range c {
		w[operator] = map[string]oneOrMore{}
		for key, values := range keys {
			w[operator][key] = values
		}
	}
	return w
}

func fill(p stack.Place, texts []string) []string {
	filled := make([]string, len(texts))
	for n, text := range texts {
		filled[n] = p.Fill(text)
	}
	return filled
}

// encode is JSON that leaves <, > and & as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

package template

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// CloudFormation writes the template as JSON without a needless byte. It is an
// error if that is longer than CloudFormation takes; nothing of the jobs is in
// it but the tags of their hosts, so that takes many of these, of topics or of
// subscribers.
func (t *Template) CloudFormation() ([]byte, error) {
	compact, err := encode(t.file())
	if err != nil {
		return nil, err
	}
	compact = ascii(compact)
	if n := len(compact); n > MaxBytes {
		return nil, fmt.Errorf("the template of stack %s has %d bytes, and CloudFormation takes %d: let fewer addresses subscribe to its topics, or let more jobs share their hosts",
			t.installation.Name, n, MaxBytes)
	}
	return compact, nil
}

// Indented is the template for people, a value on one line if it is short. If it
// doesn't fit that way it is as [Template.CloudFormation] writes it.
func (t *Template) Indented() ([]byte, error) {
	compact, err := t.CloudFormation()
	if err != nil {
		return nil, err
	}
	for _, step := range []string{"  ", " "} {
		var b bytes.Buffer
		indent(&b, compact, step, "\n")
		if b.Len() < MaxBytes {
			return append(b.Bytes(), '\n'), nil
		}
	}
	return append(compact, '\n'), nil
}

// file is the outline of a template.
type file struct {
	AWSTemplateFormatVersion string
	Description              string
	Parameters               map[string]fileParameter
	Resources                map[string]fileResource
	Outputs                  map[string]fileOutput
}

type fileParameter struct {
	Type        string
	Description string
}

type fileResource struct {
	Type                string
	DeletionPolicy      string `json:",omitempty"`
	UpdateReplacePolicy string `json:",omitempty"`
	Properties          properties
}

type fileOutput struct {
	Description string
	Value       value
}

func (t *Template) file() file {
	f := file{
		AWSTemplateFormatVersion: "2010-09-09",
		Description:              t.description(),
		Parameters:               map[string]fileParameter{},
		Resources:                map[string]fileResource{},
		Outputs:                  map[string]fileOutput{},
	}
	for _, p := range parameters {
		f.Parameters[p.name] = fileParameter{"String", p.description}
	}
	for _, r := range t.resources {
		made := fileResource{Type: r.Type(), Properties: r.properties}
		if r.keep {
			made.DeletionPolicy, made.UpdateReplacePolicy = "Retain", "Retain"
		}
		f.Resources[r.ID] = made
	}
	for _, o := range t.outputs {
		f.Outputs[o.ID] = fileOutput{o.Description, o.Value}
	}
	return f
}

// ascii is the same JSON in characters that GetTemplate gives back: it answers
// with a question mark for every other, and what was deployed could not be told
// from what is to be.
// https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1220
func ascii(text []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(text) {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		for _, half := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, half)
		}
	}
	return b.Bytes()
}

// encode is JSON that leaves <, > and & as they are: written as \u003c the
// guard's script would not fit.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

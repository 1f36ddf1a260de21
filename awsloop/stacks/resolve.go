package stacks

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// reference is what a part of a template refers to: a parameter or a resource,
// or a resource's attribute.
type reference struct{ name, attribute string }

func named(names []string) []reference {
	all := make([]reference, len(names))
	for i, name := range names {
		all[i] = reference{name: name}
	}
	return all
}

// scope says what a reference stands for; false leaves the function that has it
// as it is.
type scope func(reference) (value any, ok bool)

// placeholder is a variable of Fn::Sub; with an exclamation mark it is text.
var placeholder = regexp.MustCompile(`\$\{(!?)([^}]*)\}`)

// resolve replaces the intrinsic functions Ref, Fn::GetAtt, Fn::Sub and
// Fn::Join. Others are errors.
func resolve(v any, in scope) (any, error) {
	switch v := v.(type) {
	case []any:
		all := make([]any, 0, len(v))
		for _, one := range v {
			r, err := resolve(one, in)
			if err != nil {
				return nil, err
			}
			if r != noValue {
				all = append(all, r)
			}
		}
		return all, nil
	case map[string]any:
		if len(v) == 1 {
			for name, argument := range v {
				if name == "Ref" || strings.HasPrefix(name, "Fn::") {
					return call(name, argument, in)
				}
			}
		}
		all := map[string]any{}
		for key, one := range v {
			r, err := resolve(one, in)
			if err != nil {
				return nil, err
			}
			if r != noValue {
				all[key] = r
			}
		}
		return all, nil
	}
	return v, nil
}

// noValue is AWS::NoValue: the property isn't there.
var noValue any = struct{ none bool }{true}

func call(name string, argument any, in scope) (any, error) {
	switch name {
	case "Ref":
		if to, ok := argument.(string); ok {
			return lookUp(reference{name: to}, map[string]any{name: argument}, in)
		}
	case "Fn::GetAtt":
		if to, ok := attributeOf(argument); ok {
			return lookUp(to, map[string]any{name: []any{to.name, to.attribute}}, in)
		}
	case "Fn::Sub":
		if text, ok := argument.(string); ok {
			return substitute(text, in)
		}
	case "Fn::Join":
		return join(argument, in)
	}
	text, _ := json.Marshal(argument) //nolint:errchkjson // it was JSON
	return nil, notValid("Template error: every %s must have a valid argument, and be a function that is known here; got %s", name, text)
}

func lookUp(to reference, otherwise any, in scope) (any, error) {
	if v, ok := in(to); ok {
		return v, nil
	}
	return otherwise, nil
}

// attributeOf reads ["Resource", "Attribute"] and "Resource.Attribute".
func attributeOf(argument any) (reference, bool) {
	if text, ok := argument.(string); ok {
		name, attribute, ok := strings.Cut(text, ".")
		return reference{name, attribute}, ok
	}
	list, _ := argument.([]any)
	if len(list) != 2 {
		return reference{}, false
	}
	name, isName := list[0].(string)
	attribute, isAttribute := list[1].(string)
	return reference{name, attribute}, isName && isAttribute
}

// substitute is Fn::Sub. What can't be resolved yet stays a variable.
func substitute(text string, in scope) (any, error) {
	open := false
	var err error
	done := placeholder.ReplaceAllStringFunc(text, func(whole string) string {
		m := placeholder.FindStringSubmatch(whole)
		if m[1] == "!" {
			return "${" + m[2] + "}"
		}
		value, ok := in(variable(m[2]))
		if !ok {
			open = true
			return whole
		}
		part, isText := scalarText(value)
		if !isText {
			err = notValid("Template error: Fn::Sub of %s, which is no text", m[2])
		}
		return part
	})
	if open { // as it was, but for what is known by now
		return map[string]any{"Fn::Sub": done}, err
	}
	return done, err
}

func variable(text string) reference {
	name, attribute, _ := strings.Cut(text, ".")
	return reference{name, attribute}
}

func join(argument any, in scope) (any, error) {
	list, _ := argument.([]any)
	if len(list) != 2 {
		return nil, notValid("Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined")
	}
	delimiter, isText := list[0].(string)
	parts, isList := list[1].([]any)
	if !isText || !isList {
		return nil, notValid("Template error: Fn::Join takes a text and a list")
	}
	var texts []string
	for _, part := range parts {
		value, err := resolve(part, in)
		if err != nil {
			return nil, err
		}
		text, ok := scalarText(value)
		if !ok {
			return map[string]any{"Fn::Join": argument}, nil
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, delimiter), nil
}

func scalarText(v any) (string, bool) {
	switch v.(type) {
	case string, float64, bool:
		return fmt.Sprint(v), true
	}
	return "", false
}

// references are all that a value refers to.
func references(v any) []reference {
	var all []reference
	note := func(r reference) (any, bool) {
		all = append(all, r)
		return "", true
	}
	resolve(v, note) //nolint:errcheck // what is wrong is told when the template is used
	return all
}

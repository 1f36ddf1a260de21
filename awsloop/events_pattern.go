package awsloop

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// pattern is an event pattern: for each key that it has, another pattern, or a
// list of which one element must match. Of the comparisons it knows prefix,
// suffix, exists, equals-ignore-case and anything-but; others are refused.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
type pattern map[string]any

// parsePattern reads and checks a pattern.
func parsePattern(text string) (pattern, error) {
	var p pattern
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return nil, err
	}
	if len(p) == 0 {
		return nil, fmt.Errorf("%s is empty", text)
	}
	return p, p.check()
}

func (p pattern) check() error {
	for key, value := range p {
		switch value := value.(type) {
		case map[string]any:
			if err := pattern(value).check(); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		case []any:
			if len(value) == 0 {
				return fmt.Errorf("%s: an empty list never matches", key)
			}
			for _, one := range value {
				if err := checkElement(one); err != nil {
					return fmt.Errorf("%s: %w", key, err)
				}
			}
		default:
			return fmt.Errorf("%s: %v is no list", key, value)
		}
	}
	return nil
}

func checkElement(element any) error {
	if scalar(element) {
		return nil // compared as it is
	}
	comparison, ok := element.(map[string]any)
	if !ok {
		return fmt.Errorf("%v is a list in a list", element)
	}
	if len(comparison) != 1 {
		return fmt.Errorf("%v: one comparison at a time", comparison)
	}
	for name, operand := range comparison {
		_, isText := operand.(string)
		_, isBool := operand.(bool)
		switch name {
		case "prefix", "suffix", "equals-ignore-case":
			ok = isText
		case "exists":
			ok = isBool
		case "anything-but":
			ok = !slices.ContainsFunc(listOf(operand), func(v any) bool { return !scalar(v) })
		default:
			return fmt.Errorf("comparison %s is not known here", name)
		}
		if !ok {
			return fmt.Errorf("comparison %s: %v", name, operand)
		}
	}
	return nil
}

func (p pattern) matches(e map[string]any) bool {
	for key, want := range p {
		have, exists := e[key]
		switch want := want.(type) {
		case map[string]any:
			inner, _ := have.(map[string]any)
			if !pattern(want).matches(inner) {
				return false
			}
		case []any:
			if !oneMatches(want, have, exists) {
				return false
			}
		}
	}
	return true
}

// oneMatches also looks at each element, if the event has a list.
func oneMatches(wants []any, have any, exists bool) bool {
	values, isList := have.([]any)
	if !isList {
		values = []any{have}
	}
	for _, want := range wants {
		if c, ok := want.(map[string]any); ok && c["exists"] != nil {
			if c["exists"] == exists {
				return true
			}
			continue
		}
		for _, value := range values {
			if exists && elementMatches(want, value) {
				return true
			}
		}
	}
	return false
}

func elementMatches(want, value any) bool {
	comparison, ok := want.(map[string]any)
	if !ok {
		return want == value
	}
	text, isText := value.(string)
	for name, operand := range comparison {
		against, _ := operand.(string)
		switch name {
		case "prefix":
			return isText && strings.HasPrefix(text, against)
		case "suffix":
			return isText && strings.HasSuffix(text, against)
		case "equals-ignore-case":
			return isText && strings.EqualFold(text, against)
		case "anything-but":
			return scalar(value) && !oneOf(value, listOf(operand)...)
		}
	}
	return false
}

// scalar reports whether v is a text, a number, a boolean or null.
func scalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

func listOf(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

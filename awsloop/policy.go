package awsloop

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
)

// policyDocument is a policy of a resource or a role's trust, as far as it
// speaks of services.
type policyDocument struct {
	Version   string      `json:",omitempty"`
	ID        string      `json:"Id,omitempty"`
	Statement []statement //
}

type statement struct {
	Sid       string `json:",omitempty"`
	Effect    string
	Principal map[string]texts
	Action    texts
	Resource  texts                       `json:",omitempty"`
	Condition map[string]map[string]texts `json:",omitempty"`
}

// texts is one text or a list of them.
type texts []string

func (t *texts) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(t))
}

func (t texts) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

var errDenied = errors.New("no statement allows it")

// allows says why the policy doesn't let the service do that; nil if it does.
// Keys are those of the request's context. An operator of conditions that isn't
// known here is never met, and a denial isn't known here either.
func allows(policy, service, action string, keys map[string]string) error {
	var d policyDocument
	if err := json.Unmarshal([]byte(policy), &d); err != nil {
		return fmt.Errorf("policy %q: %w", policy, err)
	}
	for _, s := range d.Statement {
		if s.Effect == "Allow" && oneOf(service, s.Principal["Service"]...) && oneLike(action, s.Action) && s.holds(keys) {
			return nil
		}
	}
	return fmt.Errorf("%s by %s with %v: %w", action, service, keys, errDenied)
}

func (s statement) holds(keys map[string]string) bool {
	for operator, wants := range s.Condition {
		operator, ifExists := strings.CutSuffix(operator, "IfExists")
		for key, want := range wants {
			have, ok := lookUpFold(keys, key)
			switch {
			case !ok && ifExists:
				continue
			case !ok:
				return false
			}
			switch operator {
			case "StringEquals":
				ok = oneOf(have, want...)
			case "StringLike", "ArnLike", "ArnEquals":
				ok = oneLike(have, want)
			default:
				ok = false
			}
			if !ok {
				return false
			}
		}
	}
	return true
}

// lookUpFold finds a context key, whose names know no case.
func lookUpFold(keys map[string]string, name string) (string, bool) {
	for key, value := range keys {
		if strings.EqualFold(key, name) {
			return value, true
		}
	}
	return "", false
}

// oneLike reports whether one of the patterns, with * and ?, is the text's.
func oneLike(text string, patterns []string) bool {
	for _, p := range patterns {
		// An asterisk stands for slashes, too, which path's doesn't.
		ok, err := path.Match(strings.ReplaceAll(p, "/", "\x00"), strings.ReplaceAll(text, "/", "\x00"))
		if ok && err == nil {
			return true
		}
	}
	return false
}

package awsloop

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// arguments checks what a command was sent with and adds the defaults. A value
// may name the Parameter Store's values only: whether anything else between
// double braces is replaced is for nobody to rely on.
func (c *content) arguments(sent map[string][]string, stored func(name string) (string, bool)) (map[string][]string, error) {
	for name := range sent {
		if _, ok := c.Parameters[name]; !ok {
			return nil, fmt.Errorf("parameter %s isn't declared by the document", name)
		}
	}
	all := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Parameters)) {
		d := c.Parameters[name]
		values, ok := sent[name]
		switch {
		case !ok && d.Default == nil:
			return nil, fmt.Errorf("parameter %s is missing", name)
		case !ok:
			values = d.defaults()
		}
		values = slices.Clone(values)
		for i, value := range values {
			if m := reference.FindString(value); m != "" {
				return nil, fmt.Errorf("parameter %s: a value may not contain %s", name, m)
			}
			for _, m := range storedValue.FindAllStringSubmatch(value, -1) {
				v, ok := stored(m[1])
				if !ok {
					return nil, fmt.Errorf("parameter %s: the Parameter Store has no %s", name, m[1])
				}
				value = strings.ReplaceAll(value, m[0], v)
			}
			values[i] = value
		}
		if err := d.accept(values); err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
		all[name] = values
	}
	return all, nil
}

// script is what a command runs on a host.
type script struct {
	plugin, text, dir string
	timeout           int // seconds, as the agent takes it
	asked             int // seconds, as the service counts it
}

// script puts the arguments in place.
func (c *content) script(args map[string][]string) script {
	var lines []string
	for _, line := range c.inputs.RunCommand {
		lines = append(lines, c.replace(line, args)...)
	}
	s := script{
		plugin: c.step,
		text:   strings.Join(lines, "\n") + "\n",
		dir:    strings.Join(c.replace(c.inputs.WorkingDirectory, args), ""),
	}
	// The agent takes 5 to 172800 seconds and falls back to an hour [A].
	asked, err := strconv.Atoi(strings.Join(c.replace(fmt.Sprint(c.inputs.TimeoutSeconds), args), ""))
	s.asked, s.timeout = asked, asked
	if err != nil {
		s.asked = 3600
	}
	if err != nil || asked < 5 || asked > 172800 {
		s.timeout = 3600
	}
	return s
}

// replace does as the agent's ReplaceParameters [A]: a text that is one
// reference becomes the value itself; references within a text are replaced one
// parameter after the other by [regexp.Regexp.ReplaceAllString], which expands a
// dollar sign in the value. A list within a text is put as JSON.
func (c *content) replace(text string, args map[string][]string) []string {
	if m := reference.FindStringSubmatch(text); len(m) > 1 && m[0] == strings.TrimSpace(text) {
		if values, ok := args[m[1]]; ok {
			return values
		}
	}
	for _, name := range slices.Sorted(maps.Keys(args)) {
		value := strings.Join(args[name], "")
		if c.Parameters[name].Type == "StringList" {
			list, err := json.Marshal(args[name])
			if err != nil {
				continue // strings always marshal
			}
			value = string(list)
		}
		text = regexp.MustCompile(`{{\s*`+name+`\s*}}`).ReplaceAllString(text, value)
	}
	return []string{text}
}

// runsOn says whether the step's precondition holds on the platform.
func (c *content) runsOn(platform string) bool {
	args := c.precondition["StringEquals"]
	if len(args) != 2 {
		return true
	}
	for i, a := range args {
		if a == "platformType" {
			return args[1-i] == platform
		}
	}
	return args[0] == args[1]
}

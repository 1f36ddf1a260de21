package policy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var variable = regexp.MustCompile(`\\\$\\\{[A-Za-z]+\\\}`)

// match returns where the variables of a format, as
// arn:${Partition}:sqs:${Region}:${Account}:${QueueName}, are in the ARN; nil if
// it is of another format.
func match(format, arn string) [][2]int {
	pattern := regexp.QuoteMeta(format)
	last := strings.LastIndex(pattern, `\$\{`)
	pattern = variable.ReplaceAllString(pattern[:last], `([^:]*?)`) + variable.ReplaceAllString(pattern[last:], `(.*)`)
	found := regexp.MustCompile("^" + pattern + "$").FindStringSubmatchIndex(arn)
	if found == nil {
		return nil
	}
	spans := [][2]int{}
	for n := 2; n < len(found); n += 2 {
		spans = append(spans, [2]int{found[n], found[n+1]})
	}
	return spans
}

type widerCondition struct {
	how       string
	condition Condition
}

// widerConditions drops each key of a condition, and puts * for each value; for
// an ARN that is compared as one, for each of its fields, too.
func widerConditions(c Condition) []widerCondition {
	var all []widerCondition
	for _, operator := range slices.Sorted(maps.Keys(c)) {
		for _, key := range slices.Sorted(maps.Keys(c[operator])) {
			all = append(all, widerCondition{"no " + key, c.without(operator, key)})
			for n, value := range c[operator][key] {
				for _, wide := range widerValues(operator, value) {
					values := slices.Clone(c[operator][key])
					values[n] = wide
					like := strings.Replace(operator, "StringEquals", "StringLike", 1)
					changed := c.without(operator, key)
					if changed[like] == nil {
						changed[like] = map[string][]string{}
					}
					changed[like][key] = values
					all = append(all, widerCondition{fmt.Sprintf("%s for %s in %s", wide, value, key), changed})
				}
			}
		}
	}
	return all
}

func (c Condition) without(operator, key string) Condition {
	less := c.At(Placeholders)
	if delete(less[operator], key); len(less[operator]) == 0 {
		delete(less, operator)
	}
	return less
}

func widerValues(operator, value string) []string {
	fields := strings.SplitN(value, ":", 6)
	switch {
	case value == "*":
		return nil
	case !strings.HasPrefix(operator, "Arn"):
		return []string{"*"}
	}
	all := []string{"arn:*:*:*:*:*"}
	for n := 3; n < len(fields); n++ { // there is one partition and one service that may assume the role
		if fields[n] != "*" {
			wide := slices.Clone(fields)
			wide[n] = "*"
			all = append(all, strings.Join(wide, ":"))
		}
	}
	return all
}

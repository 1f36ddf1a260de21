package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/solocron/solocron/job"
)

// field is one key of the jobs file and its value as text.
type field struct{ key, value string }

// fields are a job's, with the defaults filled in, in the order of the jobs
// file's description. What isn't set is empty. Mappings have one key for each
// of their own: env.HOME.
func fields(j job.Job) []field {
	all := []field{
		{"schedule", j.When.Expr},
		{"timezone", j.When.Zone},
		{"except", strings.Join(j.When.Except, ", ")},
		{"dst.gap", string(j.When.Gap)},
		{"dst.fold", string(j.When.Fold)},
		{"jitter", length(j.Jitter)},
		{"command", j.Command},
		{"pick", string(j.Pick)},
		{"overlap", string(j.Overlap)},
		{"start-within", length(j.StartWithin)},
		{"catchup.mode", string(j.Catchup.Mode)},
		{"catchup.within", set(j.Catchup.Within != 0, length(j.Catchup.Within))},
		{"timeout", length(j.Timeout)},
		{"grace", length(j.Grace)},
		{"retry.attempts", strconv.Itoa(j.Retry.Attempts)},
		{"retry.backoff", length(j.Retry.Backoff)},
		{"retry.max-backoff", length(j.Retry.MaxBackoff)},
		{"retry.on", words(j.Retry.On)},
		{"retry.host", string(j.Retry.Host)},
		{"idempotent", strconv.FormatBool(j.Idempotent)},
		{"user", j.User},
		{"dir", j.Dir},
		{"shell", j.Shell},
		{"output-limit", fmt.Sprintf("%d bytes", j.OutputBytes)},
		{"notify.on", words(j.Notify.On)},
		{"notify.to", words(j.Notify.To)},
		{"claim", map[bool]string{false: "on", true: "off"}[j.Unclaimed]},
		{"protect", strconv.FormatBool(j.Protect)},
	}
	all = append(all, mapping("hosts", j.Hosts)...)
	all = append(all, mapping("pick.prefer", j.Prefer)...)
	all = append(all, mapping("env", j.Env)...)
	return append(all, mapping("secrets", j.Secrets)...)
}

func mapping(key string, values map[string]string) []field {
	var list []field
	for _, k := range slices.Sorted(maps.Keys(values)) {
		list = append(list, field{key + "." + k, values[k]})
	}
	return list
}

func words[T ~string](list []T) string {
	var b []string
	for _, w := range list {
		b = append(b, string(w))
	}
	return strings.Join(b, ", ")
}

func set(is bool, text string) string {
	if is {
		return text
	}
	return ""
}

// length is a duration as the jobs file has it: 1h30m, not 1h30m0s.
func length(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// fieldChanges are the keys in which two jobs differ: those of the new one
// first, then those that only the old one has.
func fieldChanges(before, after job.Job) []FieldChange {
	was, is := map[string]string{}, map[string]bool{}
	for _, f := range fields(before) {
		was[f.key] = f.value
	}
	var changes []FieldChange
	for _, f := range fields(after) {
		is[f.key] = true
		if was[f.key] != f.value {
			changes = append(changes, FieldChange{Key: f.key, Before: was[f.key], After: f.value})
		}
	}
	for _, f := range fields(before) {
		if !is[f.key] && f.value != "" {
			changes = append(changes, FieldChange{Key: f.key, Before: f.value})
		}
	}
	return changes
}

package awsloop

import "time"

// How much of a command's output the agent reports [A].
const (
	stdoutLimit = 24000
	stderrLimit = 8000
	outputLimit = 2500
)

// result is what the agent found of a document run.
type result struct {
	standing       standing
	code           int
	stdout, stderr string
	note           string // in the place of the output, from an agent that has none
	started, ended time.Time
}

// Exit codes that the agent gives a meaning of their own [A].
const (
	exitWithSuccess = 168
	exitReboot      = 194
	exitPreempted   = 137
)

// standingOf is what an exit code means.
func standingOf(code int) standing {
	switch code {
	case 0, exitWithSuccess:
		return ssmSuccess
	case exitPreempted: // also of a command that was killed for its memory
		return ssmExecutionTimeout
	}
	return ssmFailed
}

// cut keeps the beginning, and says at its end that something is missing.
func cut(text string, limit int) string {
	const suffix = "--output truncated--"
	if len(text) < limit {
		return text
	}
	return text[:limit-len(suffix)] + suffix
}

// combined is the output as ListCommandInvocations gives it: both streams, in
// 2500 bytes together.
func (r result) combined() string {
	const (
		title = "\n----------ERROR-------\n"
		more  = "\n---Output truncated---"
		worse = "\n---Error truncated----"
	)
	if r.note != "" {
		return r.note
	}
	if r.stderr == "" {
		return shorten(r.stdout, outputLimit, more)
	}
	space := outputLimit - len(title)
	switch half := space / 2; {
	case len(r.stdout) <= half:
		return r.stdout + title + shorten(r.stderr, space-len(r.stdout), worse)
	case len(r.stderr) <= half:
		return shorten(r.stdout, space-len(r.stderr), more) + title + r.stderr
	default:
		return shorten(r.stdout, half, more) + title + shorten(r.stderr, half, worse)
	}
}

func shorten(text string, limit int, mark string) string {
	if len(text) < limit {
		return text
	}
	return text[:limit-len(mark)] + mark
}

// head keeps the beginning of what is written to it.
type head struct {
	text  []byte
	limit int
}

func (h *head) Write(p []byte) (int, error) {
	h.text = append(h.text, p[:min(len(p), h.limit-len(h.text))]...)
	return len(p), nil
}

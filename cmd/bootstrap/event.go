package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// event is one of the things that the function is invoked with. Exactly one
// of the parts is there.
type event struct {
	due   *due
	hint  *hint
	sweep bool
	ask   *events.LambdaFunctionURLRequest
}

// due is what a schedule of EventBridge Scheduler says. With an input of its
// own the function gets exactly that, without an envelope; the scheduled time
// is put in by the scheduler (<aws.scheduler.scheduled-time>).
type due struct {
	Job  string    `json:"job"`
	Spec string    `json:"spec"`
	Due  time.Time `json:"due"`
}

// hint says that something happened to a command. EventBridge delivers SSM's
// events as well as it can: they may be lost, doubled and out of order, so what
// they say of the command's state is not believed.
type hint struct {
	Command  string `json:"command-id"`
	Instance string `json:"instance-id"`
	Document string `json:"document-name"`
	Status   string `json:"status"`
}

// The types of SSM's events.
const (
	invocationChanged = "EC2 Command Invocation Status-change Notification"
	commandChanged    = "EC2 Command Status-change Notification"
)

// read tells what the payload is.
func read(payload []byte) (event, error) {
	var outline struct {
		Job    *string         `json:"job"`
		Sweep  bool            `json:"sweep"`
		Source string          `json:"source"`
		Type   string          `json:"detail-type"`
		Detail json.RawMessage `json:"detail"`
		Path   *string         `json:"rawPath"`
	}
	if err := json.Unmarshal(payload, &outline); err != nil {
		return event{}, fmt.Errorf("event: %w", err)
	}
	switch {
	case outline.Job != nil:
		e := event{due: &due{}}
		if err := json.Unmarshal(payload, e.due); err != nil {
			return event{}, fmt.Errorf("due time: %w", err)
		}
		if e.due.Job == "" || e.due.Due.IsZero() {
			return event{}, errors.New("due time: job or due is missing")
		}
		e.due.Due = e.due.Due.UTC()
		return e, nil
	case outline.Sweep, outline.Type == "Scheduled Event":
		return event{sweep: true}, nil
	case outline.Source == "aws.ssm" && (outline.Type == invocationChanged || outline.Type == commandChanged):
		e := event{hint: &hint{}}
		if err := json.Unmarshal(outline.Detail, e.hint); err != nil {
			return event{}, fmt.Errorf("%s: %w", outline.Type, err)
		}
		return e, nil
	case outline.Path != nil:
		e := event{ask: &events.LambdaFunctionURLRequest{}}
		if err := json.Unmarshal(payload, e.ask); err != nil {
			return event{}, fmt.Errorf("request: %w", err)
		}
		return e, nil
	}
	return event{}, errors.New("event: neither a due time, nor of SSM, nor a sweep, nor a request")
}

// tells reports whether there may be news: an instance was named, the command
// is ours by its document, and it is not just on its way. How SSM spells a
// status in events is not documented, so only the beginnings are left out.
func (h *hint) tells(document string) bool {
	switch strings.ToLower(strings.ReplaceAll(h.Status, " ", "")) {
	case "pending", "inprogress", "delayed":
		return false
	}
	return h.Instance != "" && h.Command != "" && h.Document == document
}

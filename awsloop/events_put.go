package awsloop

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

type putEventsInput struct {
	Entries []struct {
		Source, DetailType, Detail string
		EventBusName, TraceHeader  string
		Resources                  []string
		Time                       *float64
	}
}

type putEventsOutput struct {
	FailedEntryCount int
	Entries          []putEventsEntry
}

type putEventsEntry struct{ EventId, ErrorCode, ErrorMessage string } //nolint:revive,staticcheck // as on the wire

// putEvents takes events of one's own. AWS's sources are AWS's alone.
func (b *Events) putEvents(_ context.Context, in *putEventsInput) (*putEventsOutput, error) {
	out := &putEventsOutput{}
	for _, e := range in.Entries {
		var detail map[string]any
		entry := putEventsEntry{EventId: b.server.guid()}
		switch {
		case strings.HasPrefix(e.Source, "aws."):
			entry = putEventsEntry{ErrorCode: "NotAuthorizedForSourceException", ErrorMessage: "Not authorized for the source."}
		case e.Source == "" || e.DetailType == "":
			entry = putEventsEntry{ErrorCode: "InvalidArgument", ErrorMessage: "Parameter Source or DetailType is missing."}
		case json.Unmarshal([]byte(e.Detail), &detail) != nil:
			entry = putEventsEntry{ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed."}
		}
		out.Entries = append(out.Entries, entry)
		if entry.ErrorCode != "" {
			out.FailedEntryCount++
			continue
		}
		at := b.clock.Now()
		if given := date(e.Time); given != nil {
			at = *given
		}
		text, err := json.Marshal(busEvent{
			Version: "0", ID: entry.EventId, DetailType: e.DetailType, Source: e.Source,
			Account: b.server.options.Account, Time: at.Format(time.RFC3339), Region: b.server.options.Region,
			Resources: append([]string{}, e.Resources...), Detail: detail,
		})
		if err != nil {
			return nil, refusal("InternalException", err.Error())
		}
		b.Put(text)
	}
	return out, nil
}

package snsnotifier

import (
	"encoding/json"
	"strings"

	"github.com/solocron/solocron/notifier"
)

// chatTailBytes of output keep the message well below what Slack shows of one.
const chatTailBytes = 1000

// notification is the JSON that Amazon Q Developer shows in a chat channel.
type notification struct {
	Version  string   `json:"version"`
	Source   string   `json:"source"`
	ID       string   `json:"id,omitempty"`
	Content  content  `json:"content"`
	Metadata metadata `json:"metadata"`
}

type content struct {
	TextType    string   `json:"textType"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	NextSteps   []string `json:"nextSteps,omitempty"`
	Keywords    []string `json:"keywords,omitempty"`
}

type metadata struct {
	ThreadID          string            `json:"threadId,omitempty"` // one thread a run
	Summary           string            `json:"summary"`
	EventType         string            `json:"eventType,omitempty"`
	RelatedResources  []string          `json:"relatedResources,omitempty"`
	AdditionalContext map[string]string `json:"additionalContext,omitempty"`
}

// notification writes the message for chat. Slack and Teams read different markdown, and
// in Slack's nothing can be escaped but by its place: all that comes from
// outside stands in code.
func (n *Notifier) notification(m notifier.Message) string {
	title := icon(m.Event) + " " + code(strings.TrimPrefix(notifier.Subject(m), "solocron: "))
	note := notification{
		Version: "1.0",
		Source:  "custom",
		ID:      printable(m.Key),
		Content: content{
			TextType:    "client-markdown",
			Title:       title,
			Description: description(m),
			NextSteps:   n.nextSteps(m),
			Keywords:    []string{"solocron", severity(m.Event)},
		},
		Metadata: metadata{
			ThreadID:          printable(m.Run),
			Summary:           title,
			EventType:         printable(string(m.Event)),
			AdditionalContext: map[string]string{"job": printable(m.Job), "severity": severity(m.Event)},
		},
	}
	if m.Host != "" {
		note.Metadata.RelatedResources = []string{printable(m.Host)}
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // what is in there for Slack is long enough
	_ = e.Encode(note)     // strings can always be written
	return b.String()
}

// description is the text for people as one block of code.
func description(m notifier.Message) string {
	m.Tail, m.More = notifier.Tail(m.Tail, chatTailBytes), ""
	return "```\n" + entities.Replace(strings.ReplaceAll(notifier.Text(m), "```", "'''")) + "```"
}

func (n *Notifier) nextSteps(m notifier.Message) (steps []string) {
	if m.More != "" {
		steps = append(steps, "More: "+code(strings.ReplaceAll(notifier.Tail(m.More, attributeBytes), "\n", `\n`)))
	}
	if link := consoleLink(n.topic, m.Host); link != "" {
		steps = append(steps, "Run Command in the console: "+link)
	}
	return steps
}

// entities keep Slack from reading <!channel> or a link, in code as well.
var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// code writes one line as code.
func code(line string) string {
	return "`" + entities.Replace(strings.ReplaceAll(line, "`", "'")) + "`"
}

func icon(e notifier.Event) string {
	switch severity(e) {
	case "info":
		return ":white_check_mark:"
	case "warning":
		return ":warning:"
	}
	return ":x:"
}

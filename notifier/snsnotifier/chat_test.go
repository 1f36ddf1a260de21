package snsnotifier

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/solocron/solocron/notifier"
)

func TestChatAsASubscriberSeesIt(t *testing.T) {
	n, s := open(t, "", true)
	m := message()
	m.Reason = "`code`, *bold*, <!channel>, <https://evil.example|this> & [that](https://evil.example)"
	m.Tail = "<!here> ```\n*not bold* ````` @channel &amp; <@U123>\n"
	got := publish(t, n, s, m).Message
	parse(t, got)
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(got), "", "  "); err != nil {
		t.Fatal(err)
	}
	golden(t, "chat.json", b.String())
}

func FuzzNotification(f *testing.F) {
	f.Add("exit code 3", "no such table: sales\n")
	f.Add("``` <!channel>", "`````\n```\r\n<@U1|x> &lt; ``")
	f.Add("\xff`\x00`\u202e`", "``\x1b`")
	f.Fuzz(func(t *testing.T, reason, tail string) {
		m := message()
		m.Event, m.Reason, m.Tail, m.More = notifier.Cancelled, reason, tail, reason
		content := parse(t, new(Notifier).notification(m)).Content
		if inside := strings.TrimSuffix(strings.TrimPrefix(content.Description, "```\n"), "```"); strings.Contains(inside, "```") {
			t.Errorf("the block of code ends early: %q", content.Description)
		}
		if strings.Count(content.Title, "`") != 2 {
			t.Errorf("the title's code ends early: %q", content.Title)
		}
		for _, shown := range append(content.NextSteps, content.Title, content.Description) {
			if strings.ContainsAny(shown, "<>") || strings.ContainsFunc(shown, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' }) {
				t.Errorf("shown as it is: %q", shown)
			}
		}
	})
}

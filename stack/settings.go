package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/solocron/solocron/job"
)

// OwnDocument reports whether commands are sent with a document of the stack,
// and not with one of AWS.
func (i *Installation) OwnDocument() bool {
	return !strings.HasPrefix(i.File.Fleet.EC2.Document, "AWS-")
}

// DocumentARN is the ARN of the document. AWS's own documents have no account.
func (i *Installation) DocumentARN() string {
	name := i.File.Fleet.EC2.Document
	if i.OwnDocument() {
		return arn("ssm", "document/"+name)
	}
	return "arn:" + Partition + ":ssm:" + Region + "::document/" + name
}

// Topic is a topic that the stack makes.
type Topic struct {
	Name  string
	Email []string // addresses to subscribe
	Chat  bool
}

// Topics are those that the stack makes, by name.
func (i *Installation) Topics() []Topic {
	made := map[string]*Topic{}
	for _, name := range slices.Sorted(maps.Keys(i.File.Targets)) {
		if s := i.File.Targets[name].SNS; s != nil && s.Named() {
			t := made[s.Topic]
			if t == nil {
				t = &Topic{Name: s.Topic}
				made[s.Topic] = t
			}
			t.Chat = t.Chat || s.Chat
			t.Email = append(t.Email, s.Email...)
		}
	}
	if r := i.File.Fleet.EC2.Report; r != nil && !strings.HasPrefix(r.Topic, "arn:") && made[r.Topic] == nil {
		made[r.Topic] = &Topic{Name: r.Topic}
	}
	var topics []Topic
	for _, name := range slices.Sorted(maps.Keys(made)) {
		slices.Sort(made[name].Email)
		made[name].Email = slices.Compact(made[name].Email)
		topics = append(topics, *made[name])
	}
	return topics
}

// TopicARN is the ARN of a topic that the file names or gives.
func TopicARN(topic string) string {
	if strings.HasPrefix(topic, "arn:") {
		return topic
	}
	return arn("sns", topic)
}

// TopicARNs are those of all topics that the function publishes to, sorted.
func (i *Installation) TopicARNs() []string {
	var all []string
	for _, t := range i.File.Targets {
		if t.SNS != nil {
			all = append(all, TopicARN(t.SNS.Topic))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// AlarmTopics are the topics of the region that alarms may be sent to: all but
// those for chat, which take messages of solocron's form only.
func (i *Installation) AlarmTopics() []string {
	var all []string
	for _, t := range i.File.Targets {
		if t.SNS == nil || t.SNS.Chat {
			continue
		}
		if t.SNS.Named() || strings.Split(t.SNS.Topic, ":")[3] == i.Region {
			all = append(all, TopicARN(t.SNS.Topic))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Report is SSM's own notification with the ARNs filled in; nil for none.
func (i *Installation) Report() *job.Report {
	r := i.File.Fleet.EC2.Report
	if r == nil {
		return nil
	}
	full := job.Report{Topic: TopicARN(r.Topic), Role: r.Role}
	if r.Role == "" {
		full.Role = RoleARN(i.ReportRole())
	}
	return &full
}

// maxEnvironment is what Lambda allows for all variables of a function together.
// It measures them as a JSON object, in which each quote of the settings takes
// two bytes.
// https://github.com/github-aws-runners/terraform-aws-github-runner/issues/3594
const maxEnvironment = 4 << 10

// SettingsVariable is where the function finds its settings.
const SettingsVariable = "SOLOCRON_SETTINGS"

// Settings are what the function is told, as JSON with placeholders. Every ${ in
// it begins one: one of the user's is written with JSON's own escape.
func (i *Installation) Settings() (string, error) {
	s := job.Settings{Table: i.Name, EC2: *i.File.Fleet.EC2, Topics: map[string]job.SNS{}, Retention: i.File.Retention}
	s.EC2.Report = i.Report()
	s.EC2.Tags = map[string]string{} // the other texts have a form without $
	for key, tag := range i.File.Fleet.EC2.Tags {
		s.EC2.Tags[Literal(key)] = Literal(tag)
	}
	for name, t := range i.File.Targets {
		if t.SNS != nil {
			s.Topics[name] = job.SNS{Topic: TopicARN(t.SNS.Topic), Chat: t.SNS.Chat}
		}
	}
	body, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	text := strings.ReplaceAll(string(body), Literal("${"), `\u0024{`)
	if n := len(plainJSON(map[string]string{SettingsVariable: text})); n > maxEnvironment {
		return "", fmt.Errorf("the function's settings have %d bytes, and Lambda allows %d: use fewer notify targets or fleet tags", n, maxEnvironment)
	}
	return text, nil
}

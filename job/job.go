// Package job says what is to be done: the jobs file, decoded strictly, with
// every problem reported at once and where it stands.
//
// Decoding has no side effects: no file that the jobs file names is opened and
// no host is asked.
package job

import (
	"strings"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// Job is one entry of the jobs file with every default filled in. Its JSON
// form is what the ledger keeps; it holds references to secrets, never values.
type Job struct {
	Name string        `json:"name"`
	When schedule.Spec `json:"when"`
	// Jitter delays each start by a spread that job and due time decide, in
	// [0, Jitter).
	Jitter time.Duration `json:"jitter,omitempty"`

	Hosts  fleet.Selector `json:"hosts,omitempty"`
	Pick   fleet.Strategy `json:"pick"`
	Prefer fleet.Selector `json:"prefer,omitempty"` // for fleet.Prefer

	Command string            `json:"command"`
	Shell   string            `json:"shell,omitempty"`
	User    string            `json:"user,omitempty"`
	Dir     string            `json:"dir,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	// Secrets maps a variable to where its value is read from when an attempt
	// starts: "env:NAME" of the daemon, or "file:PATH" on its machine.
	Secrets map[string]string `json:"secrets,omitempty"`
	// OutputBytes is how much of the output the host keeps.
	OutputBytes int64 `json:"output_bytes"`

	Overlap     Overlap       `json:"overlap"`
	StartWithin time.Duration `json:"start_within"`
	Catchup     Catchup       `json:"catchup"`
	Timeout     time.Duration `json:"timeout"`
	Grace       time.Duration `json:"grace"`
	Retry       Retry         `json:"retry"`
	Idempotent  bool          `json:"idempotent,omitempty"`
	// Unclaimed is "claim: off": hosts behind SSM start the command without
	// asking the ledger, and the job never fails over on silence.
	Unclaimed bool `json:"unclaimed,omitempty"`
	// Protect keeps the host from EC2 Auto Scaling's scale-in during the run.
	Protect bool   `json:"protect,omitempty"`
	Notify  Notify `json:"notify"`
}

// Overlap is what happens to a due time while an earlier run of the job is in
// the way, anywhere in the fleet.
type Overlap string

// The policies, named as in Temporal.
const (
	Skip           Overlap = "skip"            // the new one does not run
	BufferOne      Overlap = "buffer-one"      // one waits, further ones do not run
	BufferAll      Overlap = "buffer-all"      // all wait, in the order of their due times
	CancelOther    Overlap = "cancel-other"    // the earlier one is ended with its grace
	TerminateOther Overlap = "terminate-other" // the earlier one is killed at once
	Allow          Overlap = "allow"           // both run
)

// Overlaps lists the policies.
var Overlaps = []Overlap{Skip, BufferOne, BufferAll, CancelOther, TerminateOther, Allow}

// Catchup is what happens to due times that passed while no scheduler ran.
type Catchup struct {
	Mode   CatchupMode   `json:"mode"`
	Within time.Duration `json:"within,omitempty"` // how far back; older ones are missed; 0 for no limit
}

// CatchupMode says which of the passed due times run.
type CatchupMode string

// The modes. Whatever does not run is recorded as skipped (missed).
const (
	CatchupNone   CatchupMode = "none"
	CatchupLatest CatchupMode = "latest"
	CatchupAll    CatchupMode = "all"
)

// Retry says which ends are tried again, how often, how soon and where.
type Retry struct {
	Attempts   int           `json:"attempts,omitempty"` // further attempts; 0 for none
	On         []run.State   `json:"on,omitempty"`       // of failed, timed_out
	Backoff    time.Duration `json:"backoff,omitempty"`  // before the first; doubles
	MaxBackoff time.Duration `json:"max_backoff,omitempty"`
	Host       RetryHost     `json:"host,omitempty"`
}

// RetryHost says where a retry may run.
type RetryHost string

// The choices.
const (
	AnyHost   RetryHost = "any"
	SameHost  RetryHost = "same"
	OtherHost RetryHost = "other" // any but the host that failed last, if there is one
)

// Notify says which ends are told to which targets of the file.
type Notify struct {
	On []notifier.Event `json:"on,omitempty"`
	To []string         `json:"to,omitempty"`
}

// File is a whole jobs file. Its paths are resolved against the jobs file's
// folder; those that begin with ~/ are left for whoever opens them, because
// decoding asks nothing of its surroundings.
type File struct {
	Path    string
	Jobs    []Job // in the file's order
	Fleet   Fleet
	Targets map[string]Target // by name
	// Ledger is a SQLite file's path, a postgres:// URL without a password, or
	// dynamodb://REGION/TABLE.
	Ledger string
	// Retention is how long ended runs stay in the ledger and run directories
	// on the hosts.
	Retention time.Duration
}

// Fleet is where the hosts come from: a list, a command that prints one, or
// EC2.
type Fleet struct {
	Hosts   []fleet.Host
	Command string        // prints a JSON array of hosts; run by /bin/sh here
	Every   time.Duration // how long the command's answer is kept
	// MinFree is the room that a host's run directories need to be healthy.
	MinFree int64
	// MaxSkew is how far a host's clock may be off.
	MaxSkew time.Duration
	// EC2, if it is set, is where the hosts come from instead.
	EC2 *EC2
}

// EC2 is a fleet of EC2 instances, reached through Systems Manager. Its JSON is
// what the Lambda is given.
type EC2 struct {
	Region string `json:"region"`
	// Tags narrow the fleet down, beside what each job selects.
	Tags map[string]string `json:"tags,omitempty"`
	// TargetGroup is the ARN of a load balancer's target group in which a host
	// must be healthy; empty for none.
	TargetGroup string `json:"target_group,omitempty"`
	// Hybrid adds the managed nodes outside of EC2 (mi-…).
	Hybrid bool `json:"hybrid,omitempty"`
	// Document is the SSM document that commands are sent with: solocron's own
	// by its name, or AWS-RunShellScript.
	Document string `json:"document"`
	// Claims is the DynamoDB table of the claims: the ledger's, if that is one.
	// Empty if there is none, and every job's claim must be off.
	Claims string `json:"claims,omitempty"`
	// ClaimWithin is how long a command may take to reach its host before it is
	// taken back.
	ClaimWithin time.Duration `json:"claim_within"`
	// Report has SSM itself tell a topic of bad ends, as a second, independent
	// path; nil for none.
	Report *Report `json:"report,omitempty"`
}

// Report is SSM's own notification. Topic is an ARN, or the name of a topic of
// solocron's stack. Role is the ARN of a role for SSM to assume; empty for the
// stack's own.
type Report struct {
	Topic string `json:"topic"`
	Role  string `json:"role,omitempty"`
}

// Stacked reports whether the topic or the role is the stack's.
func (r Report) Stacked() bool { return r.Role == "" || !strings.HasPrefix(r.Topic, "arn:") }

// Target is one receiver of notices. Exactly one of the pointers is set.
type Target struct {
	Webhook *Webhook
	Mail    *Mail
	Chat    *Chat
	SNS     *SNS
}

// SNS publishes the message to a topic. Chat is for a topic that Amazon Q
// Developer in chat applications reads: it takes messages of its own form only,
// and drops all others in silence, so such a topic serves nobody else.
type SNS struct {
	// Topic is an ARN; or a name, for a topic that belongs to solocron's stack,
	// which makes it and subscribes the mail addresses.
	Topic string   `json:"topic"`
	Chat  bool     `json:"chat,omitempty"`
	Email []string `json:"email,omitempty"`
}

// Named reports whether the topic is given by its name.
func (s SNS) Named() bool { return !strings.HasPrefix(s.Topic, "arn:") }

// Webhook posts the message as JSON.
type Webhook struct {
	URL     string
	Headers map[string]string // values may be "env:NAME" or "file:PATH"
}

// Mail sends the message by SMTP.
type Mail struct {
	Server   string // host:port
	TLS      string // "starttls" (default), "implicit", "none"
	User     string
	Password string // "env:NAME" or "file:PATH"
	From     string
	To       []string
}

// Chat sends the message through a chat service. URL is the service's address
// in the notification library's form, or "env:NAME" or "file:PATH".
type Chat struct{ URL string }

// Delay is how long after the due time the job's jitter lets it start.
func (j Job) Delay(due time.Time) time.Duration {
	return schedule.Jitter(j.Name, due, j.Jitter)
}

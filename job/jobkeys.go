package job

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

const day = 24 * time.Hour

// ownKeys are those that every job has to have itself.
var ownKeys = []field[Job]{
	key("schedule", `When the job is due: a crontab(5) line ("30 2 * * mon-fri"), the same with seconds in front, @daily and the like, "every 15m", or AWS's cron(), rate() or at().`,
		expression, func(j *Job) *string { return &j.When.Expr }).must(),
	key("command", "What runs on the host, as a line or a small program of the shell.",
		command, func(j *Job) *string { return &j.Command }).must(),
}

// sharedKeys may also stand under defaults.
var sharedKeys = []field[Job]{
	key("timezone", "Time zone of the schedule, by its IANA name.",
		zone, func(j *Job) *string { return &j.When.Zone }).or("UTC"),
	key("except", "Dates on which the job is not due: 2026-12-25, 12-25 for every year, a range of either (12-24..12-26), or the name of a calendar.",
		exceptShape, func(j *Job) *[]string { return &j.When.Except }),
	key("dst", "What happens to local times that a change of the clock skips or repeats. Schedules whose minute and hour both don't start with * are meant; all others go by elapsed time.",
		dstShape, func(j *Job) *schedule.Spec { return &j.When }),
	key("jitter", "Spread each start over this time. Job and due time decide the delay.",
		duration(0, day), func(j *Job) *time.Duration { return &j.Jitter }).or("0s"),

	key("hosts", `Tags that a host has to carry, every one of them; "*" takes any value. All hosts if empty.`,
		selector, func(j *Job) *fleet.Selector { return &j.Hosts }).or(map[string]string{}),
	key("pick", "How one of the hosts is picked: a strategy, or {prefer: {TAG: VALUE}} for any host that has the tags, else any other.",
		pickShape, func(j *Job) *Job { return j }).or("random"),

	key("overlap", "What happens to a due time while an earlier run of the job is in the way, anywhere in the fleet.",
		oneOf(Overlaps...), func(j *Job) *Overlap { return &j.Overlap }).or("skip"),
	key("start-within", "A start later than this after the due time does not happen; it is recorded as skipped (late) and reported.",
		duration(time.Second, 30*day), func(j *Job) *time.Duration { return &j.StartWithin }).or("10m"),
	key("catchup", "Which of the due times run that passed while no scheduler did. within says how far back; all the way if it is left out.",
		catchupShape, func(j *Job) *Catchup { return &j.Catchup }).or("none"),
	key("timeout", "The command is ended after this time, with everything it started.",
		duration(time.Second, 30*day), func(j *Job) *time.Duration { return &j.Timeout }).or("1h"),
	key("grace", "Time between asking the command to end (TERM) and killing it.",
		duration(0, time.Hour), func(j *Job) *time.Duration { return &j.Grace }).or("10s"),
	key("retry", "How often a failed command is tried again; or attempts, backoff and so on.",
		retryShape, func(j *Job) *Retry { return &j.Retry }).or(0),
	key("idempotent", "The command may run twice without harm, so a run that is lost is started again.",
		truth(), func(j *Job) *bool { return &j.Idempotent }).or(false),

	key("user", "User that the command runs as; the login user, on EC2 instances root, if left out.",
		login, func(j *Job) *string { return &j.User }),
	key("dir", "Folder on the host that the command starts in; the user's home if left out.",
		absolute, func(j *Job) *string { return &j.Dir }),
	key("shell", "Program on the host that takes the command after -c.",
		absolute, func(j *Job) *string { return &j.Shell }),
	key("env", "Environment of the command. A job's variables are added to those of the defaults.",
		joined(table[map[string]string]("a mapping of variables to text", jobVariable, anyText)),
		func(j *Job) *map[string]string { return &j.Env }),
	key("secrets", "Variables whose values are read when the command starts: env:NAME from the scheduler's environment, file:PATH from a file beside it.",
		joined(table[map[string]string]("a mapping of variables to env:NAME or file:PATH", jobVariable, secret)),
		func(j *Job) *map[string]string { return &j.Secrets }),
	key("output-limit", "How much of the output the host keeps.",
		size(1<<10, 100<<30), func(j *Job) *int64 { return &j.OutputBytes }).or("10MiB"),

	key("notify", "Which ends are told to whom; false for none. What is left out comes from the file's notify.",
		notifyShape, func(j *Job) *Notify { return &j.Notify }),

	key("claim", "Whether an EC2 instance claims an attempt in DynamoDB before it starts it. off is for instances that can't reach DynamoDB; such a run is never moved to another host on silence.",
		claimShape, func(j *Job) *bool { return &j.Unclaimed }).or("on"),
	key("protect", "Protect the EC2 instance from Auto Scaling's scale-in during the run.",
		truth(), func(j *Job) *bool { return &j.Protect }).or(false),
}

var (
	jobShape = object("a mapping of job keys", append(slices.Clip(ownKeys), sharedKeys...)...).then(checkJob)

	defaultsShape = object("a mapping of job keys", append(slices.Clip(sharedKeys),
		refused[Job]("schedule", "every job has its own; defaults can't give it"),
		refused[Job]("command", "every job has its own; defaults can't give it"),
	)...)

	jobName = matching(fmt.Sprintf("at most %d letters, digits and . _ -, beginning with a letter or digit", run.MaxJobName),
		fmt.Sprintf("^[A-Za-z0-9][A-Za-z0-9._-]{0,%d}$", run.MaxJobName-1))

	selector = table[fleet.Selector]("tags like {role: web}", line, anyText)

	pickShape = either("a strategy, or {prefer: {TAG: VALUE}}",
		part(oneOf(plainStrategies()...), func(j *Job) *fleet.Strategy { return &j.Pick }).then(func(_ *decoder, _ *node, j *Job) { j.Prefer = nil }),
		object("{prefer: {TAG: VALUE}}",
			key("prefer", "Tags of the hosts that go first.", selector, func(j *Job) *fleet.Selector { return &j.Prefer }).must(),
		).then(func(_ *decoder, _ *node, j *Job) { j.Pick = fleet.Prefer }))

	catchupMode  = oneOf(CatchupNone, CatchupLatest, CatchupAll)
	catchupShape = either("none, latest, all, or {mode, within}",
		part(catchupMode, func(c *Catchup) *CatchupMode { return &c.Mode }),
		object("{mode, within}",
			key("mode", "Which of the passed due times run.", catchupMode, func(c *Catchup) *CatchupMode { return &c.Mode }).must(),
			key("within", "Older due times don't run.", duration(time.Second, 3660*day), func(c *Catchup) *time.Duration { return &c.Within }),
		))

	attempts   = count(0, 100)
	retryShape = either("a number of attempts, or {attempts, backoff, max-backoff, on, host}",
		part(attempts, func(r *Retry) *int { return &r.Attempts }),
		object("{attempts, backoff, max-backoff, on, host}",
			key("attempts", "Further attempts after the first.", attempts, func(r *Retry) *int { return &r.Attempts }),
			key("backoff", "Time before the first retry; it doubles with each.", duration(0, day), func(r *Retry) *time.Duration { return &r.Backoff }).or("10s"),
			key("max-backoff", "Where the doubling ends.", duration(0, day), func(r *Retry) *time.Duration { return &r.MaxBackoff }).or("10m"),
			key("on", "Which ends are tried again.", several("a list of ends", oneOf(run.Failed, run.TimedOut)), func(r *Retry) *[]run.State { return &r.On }).or([]run.State{run.Failed, run.TimedOut}),
			key("host", "Where a retry may run: on any host, on the same one, or on another one if there is one.", oneOf(AnyHost, SameHost, OtherHost), func(r *Retry) *RetryHost { return &r.Host }).or("any"),
		))
)

// plainStrategies are those that need nothing but their name.
func plainStrategies() []fleet.Strategy {
	return slices.DeleteFunc(slices.Clone(fleet.Strategies), func(s fleet.Strategy) bool { return s == fleet.Prefer })
}

// jobVariable leaves solocron's own variables alone.
var jobVariable = shape[string]{kind: text, schema: variable.schema.with("not", schema{"pattern": "^SOLOCRON_"}),
	read: func(d *decoder, n *node, into *string) {
		if strings.HasPrefix(n.text, "SOLOCRON_") {
			d.report(n.at, "", "%s: SOLOCRON_ variables are set by solocron", n.text)
			return
		}
		variable.read(d, n, into)
	}}

// checkJob sees what takes more than one key.
func checkJob(d *decoder, n *node, j *Job) {
	checkSchedule(d, n, j)
	checkReach(d, n, j)
	if retry := n.get("retry"); retry != nil && retry.kind == mapping {
		switch {
		case j.Retry.Attempts == 0 && retry.get("attempts") == nil:
			d.report(retry.spot(), "", "retry: attempts is missing")
		case j.Retry.Backoff > j.Retry.MaxBackoff:
			d.report(retry.spot(), "", "retry: backoff %s is longer than max-backoff %s", short(j.Retry.Backoff), short(j.Retry.MaxBackoff))
		}
	}
	for _, e := range slices.Concat(entries(n.get("secrets")), entries(n.get("env"))) {
		_, plain := j.Env[e.key]
		_, hidden := j.Secrets[e.key]
		if plain && hidden {
			d.report(e.value.keyAt, "", "%s is in env and in secrets; keep one of them", e.key)
		}
	}
}

func entries(n *node) []entry {
	if n == nil {
		return nil
	}
	return n.entries
}

package job

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/solocron/solocron/fleet"
)

// fileShape is the whole file. Its keys are read in this order, and the later
// ones use what the earlier ones gave.
var fileShape = object("a mapping with jobs",
	key("ledger", "SQLite file that holds the record of all runs, beside the jobs file if relative; or a postgres:// URL, or dynamodb://REGION/TABLE.",
		ledgerShape, func(d *document) *string { return &d.Ledger }).or("solocron.db"),
	key("retention", "How long ended runs stay in the ledger and on the hosts.",
		duration(time.Hour, 3660*day), func(d *document) *time.Duration { return &d.Retention }).or("30d"),
	key("fleet", "Where the hosts come from. This machine alone, as host local, if left out.",
		fleetShape, func(d *document) *Fleet { return &d.Fleet }),
	key("notify", "Who is told how runs end.",
		fileNotify, func(d *document) *document { return d }),
	key("calendars", "Lists of dates that jobs can name in except.",
		calendarsShape, func(d *document) *map[string][]string { return &d.calendars }),
	key("defaults", "Any key of a job except schedule and command, for all jobs.",
		defaultsShape, func(d *document) *Job { return &d.defaults }),
	key("jobs", "The jobs, by name.",
		jobsShape, func(d *document) *[]Job { return &d.Jobs }).must(),
).then(checkClaims)

var fleetShape = object("{hosts}, {command} or {region}", append([]field[Fleet]{
	key("hosts", "The hosts by name, each an address or an object.", hostsShape, func(f *Fleet) *[]fleet.Host { return &f.Hosts }),
	key("command", "Shell command, run beside the scheduler, that prints the hosts as a JSON array.",
		command, func(f *Fleet) *string { return &f.Command }),
	key("every", "How long the command's answer is kept.",
		duration(time.Second, day), func(f *Fleet) *time.Duration { return &f.Every }).or("1m"),
	key("min-free", "Room that a host needs for run directories to be healthy.",
		size(0, 1<<50), func(f *Fleet) *int64 { return &f.MinFree }).or("64MiB"),
	key("max-skew", "How far a healthy host's clock may be off.",
		duration(time.Second, time.Hour), func(f *Fleet) *time.Duration { return &f.MaxSkew }).or("30s"),
}, ec2Keys...)...).then(checkFleet)

// checkFleet sees that the hosts come from one place.
func checkFleet(d *decoder, n *node, f *Fleet) {
	first := ""
	for _, source := range []string{"hosts", "command", "region"} {
		switch v := n.get(source); {
		case v == nil:
		case first == "":
			first = source
		default:
			d.report(v.keyAt, "keep one of them", "fleet: %s and %s are both there", first, source)
		}
	}
	if n.get("command") != nil {
		f.Hosts = nil
	} else if every := n.get("every"); every != nil {
		d.report(every.keyAt, "", "fleet: every belongs to command, which is not there")
	}
	checkEC2(d, n, f)
}

var hostsShape = shape[[]fleet.Host]{kind: mapping, want: "a mapping of host names to addresses",
	schema: tableSchema(idName.schema, hostShape.schema).with("minProperties", 1),
	read: func(d *decoder, n *node, into *[]fleet.Host) {
		*into = nil
		for _, e := range n.entries {
			h := fleet.Host{ID: e.key}
			d.name(e, idName)
			hostShape.decode(d, e.value, &h)
			*into = append(*into, h)
		}
		if len(n.entries) == 0 {
			d.report(n.spot(), "leave fleet out to use this machine alone", "hosts: no host is given")
		}
	}}

var hostShape = either("an address, or {address, tags, …}",
	part(address, func(h *fleet.Host) *string { return &h.Address }),
	object("an address, or {address, tags, …}",
		key("address", "local for this machine, or ssh://[USER@]HOST[:PORT].", address, func(h *fleet.Host) *string { return &h.Address }).must(),
		key("tags", "What jobs select the host by.", table[map[string]string]("tags like {role: web}", line, anyText), func(h *fleet.Host) *map[string]string { return &h.Tags }),
		key("launched", "When the host came into being, for the strategies oldest and newest.", moment, func(h *fleet.Host) *time.Time { return &h.Launched }),
		key("run-dir", "Folder on the host for run directories, on a disk that survives a reboot. /var/lib/solocron for root, else the user's state directory, if left out.",
			line, func(h *fleet.Host) *string { return &h.RunDir }),
		key("identity-file", "Private key for ssh; the user's own if left out.", filePath, func(h *fleet.Host) *string { return &h.IdentityFile }),
		key("known-hosts", "Host keys for ssh; the user's own if left out.", filePath, func(h *fleet.Host) *string { return &h.KnownHosts }),
	).then(checkHost))

// checkHost settles whose folder a path belongs to: the run directory is on
// the host, the ssh files are beside the scheduler.
func checkHost(d *decoder, n *node, h *fleet.Host) {
	if h.Address == "local" {
		for _, name := range []string{"identity-file", "known-hosts"} {
			if v := n.get(name); v != nil {
				d.report(v.keyAt, "", "%s is for ssh hosts; this one is local", name)
			}
		}
		if h.RunDir != "" {
			h.RunDir = d.path(h.RunDir)
		}
		return
	}
	if h.RunDir != "" && !filepath.IsAbs(h.RunDir) {
		d.report(n.get("run-dir").at, "", "run-dir: want an absolute path on the host, got %q", clip(h.RunDir))
	}
}

var (
	idName = matching("letters, digits and . _ -, beginning with a letter or digit, at most 100", `^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

	// filePath is a path beside the scheduler.
	filePath = line.then(func(d *decoder, _ *node, path *string) {
		if *path != "" {
			*path = d.path(*path)
		}
	})

	ledgerShape = line.then(func(d *decoder, n *node, v *string) {
		scheme, _, remote := strings.Cut(n.text, "://")
		switch {
		case n.text == "" || *v != n.text:
		case strings.HasPrefix(n.text, "dynamodb:"):
			if _, _, ok := DynamoDB(n.text); !ok {
				d.report(n.at, "", "ledger: want dynamodb://REGION/TABLE such as dynamodb://eu-central-1/solocron, got %q", clip(n.text))
			}
		case !remote:
			*v = d.path(n.text)
		case scheme != "postgres" && scheme != "postgresql":
			d.report(n.at, "", "ledger: want a file's path, a postgres:// URL or dynamodb://REGION/TABLE, got a %s:// URL", clip(scheme))
		default:
			checkPostgres(d, n)
		}
	})

	calendarForm   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]*$`)
	calendarsShape = table[map[string][]string]("a mapping of names to lists of dates",
		matching("letters, digits and . _ -, beginning with a letter", calendarForm.String()), several("a list of dates", date))
)

// checkPostgres keeps the password out of the file.
func checkPostgres(d *decoder, n *node) {
	u, err := url.Parse(n.text)
	if err != nil {
		d.conceal(n, "", "ledger: want postgres://USER@HOST:PORT/DATABASE, got what is no URL")
		return
	}
	if _, has := u.User.Password(); has || u.Query().Has("password") {
		d.conceal(n, "give it in PGPASSWORD or ~/.pgpass", "ledger: no password may stand in the file")
	}
}

var jobsShape = shape[[]Job]{kind: mapping, want: "a mapping of job names to jobs",
	schema: tableSchema(jobName.schema, jobShape.schema).with("minProperties", 1),
	read: func(d *decoder, n *node, into *[]Job) {
		if len(n.entries) == 0 || len(n.entries) > MaxJobs {
			d.report(n.spot(), "", "jobs: want from 1 to %d jobs, got %d", MaxJobs, len(n.entries))
			return
		}
		*into = make([]Job, 0, len(n.entries))
		for _, e := range n.entries {
			j := d.document.defaults
			j.Name, j.When.Seed = e.key, e.key
			d.name(e, jobName)
			jobShape.decode(d, e.value, &j)
			*into = append(*into, j)
		}
	}}

package sqlrow

import "strings"

// Stmt is one statement with its arguments.
type Stmt struct {
	SQL  string
	Args []any
}

// The statements are written for PostgreSQL, whose tables live in a schema of
// their own; [SQLite] turns one into the other's dialect.
const (
	addRun = `
		INSERT INTO solocron.runs (id, job, due, through, state, owner, busy_host, ended, version, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	// Job and due times of a run never change, so their indexes stay as they are.
	setRun = `
		UPDATE solocron.runs SET state = $2, owner = $3, busy_host = $4, ended = $5, version = $6, body = $7
		WHERE id = $1`
	putSlot = `
		INSERT INTO solocron.jobs (name, holder, fence) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = excluded.fence`
	putDetail = `
		INSERT INTO solocron.details AS d (run, attempt, pick, output) VALUES ($1, $2, $3, $4)
		ON CONFLICT (run, attempt) DO UPDATE SET
			pick = coalesce(excluded.pick, d.pick), output = coalesce(excluded.output, d.output)`
	putNotice = `
		INSERT INTO solocron.notices (id, run, target, body, created, due) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO NOTHING`
)

// The statements beside those of a change. A job's row may be older than the
// job's first [PutJob], made by a slot; since is NULL until then.
const (
	// PutJob takes name, hash, when, now, and From (NULL for none), as
	// [ledger.JobSpec] has them. It affects no row if From is not met.
	PutJob = `
		INSERT INTO solocron.jobs AS j (name, hash, when_hash, since)
		SELECT $1, $2, $3, $4 WHERE coalesce($5, '') = '' OR EXISTS (SELECT 1 FROM solocron.jobs WHERE name = $1)
		ON CONFLICT (name) DO UPDATE SET
			since = CASE WHEN j.since IS NULL OR j.retired IS NOT NULL OR j.when_hash <> excluded.when_hash
				THEN excluded.since ELSE j.since END,
			hash = excluded.hash, when_hash = excluded.when_hash, retired = NULL
		WHERE $5 IS NULL OR $5 = CASE WHEN j.since IS NULL OR j.retired IS NOT NULL THEN '' ELSE j.hash END
			OR j.hash = excluded.hash AND j.retired IS NULL`
	// PutSpec takes hash, body and name. It affects no row unless the job stands
	// under the hash.
	PutSpec = `
		INSERT INTO solocron.specs (hash, body)
		SELECT $1, $2 WHERE EXISTS (SELECT 1 FROM solocron.jobs WHERE name = $3 AND hash = $1)
		ON CONFLICT (hash) DO NOTHING`
	// Retire takes name, now and hash. It affects no row if the job is unknown,
	// or in force under another hash.
	Retire = `
		UPDATE solocron.jobs SET retired = coalesce(retired, $2)
		WHERE name = $1 AND since IS NOT NULL AND (hash = $3 OR retired IS NOT NULL)`
	// SetPause takes name, on, by, at and note; of two pauses the first stays.
	// It affects no row if the job is unknown.
	SetPause = `
		UPDATE solocron.jobs SET
			paused_by   = CASE WHEN paused AND $2 THEN paused_by ELSE $3 END,
			paused_at   = CASE WHEN paused AND $2 THEN paused_at ELSE $4 END,
			paused_note = CASE WHEN paused AND $2 THEN paused_note ELSE $5 END,
			paused = $2
		WHERE name = $1 AND since IS NOT NULL`
	// Check takes name and time. It affects no row if the job is unknown.
	Check = `
		UPDATE solocron.jobs SET checked = CASE WHEN coalesce(checked, 0) < $2 THEN $2 ELSE checked END
		WHERE name = $1 AND since IS NOT NULL`

	// Beat takes the owner and the end of its life.
	Beat = `
		INSERT INTO solocron.owners (name, until) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET until = excluded.until`
	Leave = `DELETE FROM solocron.owners WHERE name = $1`
	// Advance takes now. It returns the mark after a beat.
	Advance = `UPDATE solocron.mark SET beats = beats + 1, at = $1 RETURNING ` + markColumns
	// Halt takes the reason; the first one stays.
	Halt = `UPDATE solocron.mark SET halted = $1 WHERE halted = ''`
	// RenewJobs takes now and by how much the fencing numbers grow.
	RenewJobs = `
		UPDATE solocron.jobs SET fence = fence + $2,
			since = CASE WHEN since IS NOT NULL AND retired IS NULL AND since < $1 THEN $1 ELSE since END`
	// SetMark takes ledger, beats and now.
	SetMark     = `UPDATE solocron.mark SET ledger = $1, beats = $2, at = $3, halted = ''`
	markColumns = `ledger, beats, at, halted`

	// TakeNotices takes the target, now, the end of the lease, and the limit.
	TakeNotices = `
		UPDATE solocron.notices SET held = $3, tries = tries + 1
		WHERE id IN (
			SELECT id FROM solocron.notices
			WHERE settled IS NULL AND target = $1 AND due <= $2 AND held <= $2
			ORDER BY due, id LIMIT $4 ` + skipLocked + `)
		RETURNING ` + noticeColumns
	// SettleNotice takes id, error, due of the next try (NULL for none), the
	// time of settling (NULL for none) and whether the notice is dead. It
	// affects no row of a notice that is settled already.
	SettleNotice = `
		UPDATE solocron.notices SET error = $2, due = coalesce($3, due), held = 0, settled = $4, dead = $5
		WHERE id = $1 AND settled IS NULL`
	noticeColumns = `id, run, target, body, created, due, tries, error, settled, dead`
	skipLocked    = `FOR UPDATE SKIP LOCKED`

	// Prunable takes the time before which runs must have ended, and a limit.
	Prunable = `
		SELECT id FROM solocron.runs AS r
		WHERE ended < $1 AND (through IS NULL
			OR through < (SELECT max(l.through) FROM solocron.runs AS l WHERE l.job = r.job AND l.through IS NOT NULL))
		ORDER BY ended LIMIT $2 ` + skipLocked
	// PruneStrays takes a time: notices that were settled before it and outlived
	// their run.
	PruneStrays = `
		DELETE FROM solocron.notices AS n
		WHERE settled < $1 AND NOT EXISTS (SELECT 1 FROM solocron.runs AS r WHERE r.id = n.run)`
	// PruneOwners takes a time.
	PruneOwners = `DELETE FROM solocron.owners WHERE until < $1`
)

// PruneRun removes one run, by ID, with what belongs to it.
var PruneRun = []string{
	`DELETE FROM solocron.details WHERE run = $1`,
	`DELETE FROM solocron.notices WHERE run = $1 AND settled IS NOT NULL`,
	`DELETE FROM solocron.runs WHERE id = $1`,
}

// dialect turns a statement into SQLite's: one schema, and no row locks, as
// there is one writer.
var dialect = strings.NewReplacer("solocron.", "", skipLocked, "")

// SQLite returns the statement in SQLite's dialect.
func SQLite(sql string) string { return dialect.Replace(sql) }

// PostgreSQL returns the statement unchanged.
func PostgreSQL(sql string) string { return sql }

PRAGMA application_id = 1936682095; -- "solo", so that another program's file is told apart

-- Times are UTC milliseconds since 1970. A run is its body, JSON; the other
-- columns are copies that statements select and sort by.
CREATE TABLE runs (
    id        TEXT    NOT NULL PRIMARY KEY,
    job       TEXT    NOT NULL,
    due       INTEGER NOT NULL,
    through   INTEGER,           -- latest due time it stands for; NULL if manual
    state     TEXT    NOT NULL,
    owner     TEXT    NOT NULL,
    busy_host TEXT    NOT NULL,  -- of the attempt under way; '' if there is none
    ended     INTEGER,           -- NULL unless final
    version   INTEGER NOT NULL,
    body      TEXT    NOT NULL
) STRICT;
CREATE INDEX runs_by_due       ON runs (due DESC, id);
CREATE INDEX runs_by_state     ON runs (state, due DESC, id);
CREATE INDEX runs_by_job_state ON runs (job, state, due DESC, id);
CREATE INDEX runs_by_through   ON runs (job, through) WHERE through IS NOT NULL;
CREATE INDEX runs_by_busy_host ON runs (busy_host) WHERE busy_host <> '';
CREATE INDEX runs_by_end       ON runs (ended) WHERE ended IS NOT NULL;

CREATE TABLE details (
    run     TEXT    NOT NULL REFERENCES runs (id),
    attempt INTEGER NOT NULL,    -- 0 for a pick that found no host
    pick    TEXT,                -- JSON
    output  TEXT,                -- JSON
    PRIMARY KEY (run, attempt)
) STRICT;

-- A job's row is made by its first slot or its first PutJobs; since is NULL
-- until the latter.
CREATE TABLE jobs (
    name        TEXT    NOT NULL PRIMARY KEY,
    hash        TEXT    NOT NULL DEFAULT '',
    when_hash   TEXT    NOT NULL DEFAULT '',
    since       INTEGER,
    paused      INTEGER NOT NULL DEFAULT FALSE,
    paused_by   TEXT    NOT NULL DEFAULT '',
    paused_at   INTEGER,
    paused_note TEXT    NOT NULL DEFAULT '',
    holder      TEXT    NOT NULL DEFAULT '', -- run that holds the slot
    fence       INTEGER NOT NULL DEFAULT 0   -- last fencing number given
) STRICT;

CREATE TABLE specs (
    hash TEXT NOT NULL PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE owners (
    name  TEXT    NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT;

-- No reference to runs: an unsettled notice outlives its run.
CREATE TABLE notices (
    id      TEXT    NOT NULL PRIMARY KEY,
    run     TEXT    NOT NULL,
    target  TEXT    NOT NULL,
    body    BLOB    NOT NULL,
    created INTEGER NOT NULL,
    due     INTEGER NOT NULL,
    held    INTEGER NOT NULL DEFAULT 0,      -- end of the taker's lease
    tries   INTEGER NOT NULL DEFAULT 0,
    error   TEXT    NOT NULL DEFAULT '',
    settled INTEGER,
    dead    INTEGER NOT NULL DEFAULT FALSE
) STRICT;
CREATE INDEX notices_by_run     ON notices (run, id);
CREATE INDEX notices_by_due     ON notices (target, due, id) WHERE settled IS NULL;
CREATE INDEX notices_by_settled ON notices (settled) WHERE settled IS NOT NULL;

-- Keys compare by byte, whatever the database's collation.
-- Times are UTC milliseconds since 1970. A run is its body, JSON; the other
-- columns are copies that statements select and sort by.
CREATE TABLE solocron.runs (
    id        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    job       TEXT COLLATE "C" NOT NULL,
    due       BIGINT  NOT NULL,
    through   BIGINT,           -- latest due time it stands for; NULL if manual
    state     TEXT COLLATE "C" NOT NULL,
    owner     TEXT    NOT NULL,
    busy_host TEXT    NOT NULL,  -- of the attempt under way; '' if there is none
    ended     BIGINT,           -- NULL unless final
    version   BIGINT  NOT NULL,
    body      TEXT    NOT NULL
);
CREATE INDEX runs_by_due       ON solocron.runs (due DESC, id);
CREATE INDEX runs_by_state     ON solocron.runs (state, due DESC, id);
CREATE INDEX runs_by_job_state ON solocron.runs (job, state, due DESC, id);
CREATE INDEX runs_by_through   ON solocron.runs (job, through) WHERE through IS NOT NULL;
CREATE INDEX runs_by_busy_host ON solocron.runs (busy_host) WHERE busy_host <> '';
CREATE INDEX runs_by_end       ON solocron.runs (ended) WHERE ended IS NOT NULL;

CREATE TABLE solocron.details (
    run     TEXT COLLATE "C" NOT NULL REFERENCES solocron.runs (id),
    attempt BIGINT  NOT NULL,    -- 0 for a pick that found no host
    pick    TEXT,                -- JSON
    output  TEXT,                -- JSON
    PRIMARY KEY (run, attempt)
);

-- A job's row is made by its first slot or its first PutJobs; since is NULL
-- until the latter.
CREATE TABLE solocron.jobs (
    name        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    hash        TEXT COLLATE "C" NOT NULL DEFAULT '',
    when_hash   TEXT    NOT NULL DEFAULT '',
    since       BIGINT,
    paused      BOOLEAN NOT NULL DEFAULT FALSE,
    paused_by   TEXT    NOT NULL DEFAULT '',
    paused_at   BIGINT,
    paused_note TEXT    NOT NULL DEFAULT '',
    holder      TEXT    NOT NULL DEFAULT '', -- run that holds the slot
    fence       BIGINT  NOT NULL DEFAULT 0   -- last fencing number given
);

CREATE TABLE solocron.specs (
    hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    body BYTEA NOT NULL
);

CREATE TABLE solocron.owners (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    until BIGINT  NOT NULL
);

-- No reference to runs: an unsettled notice outlives its run.
CREATE TABLE solocron.notices (
    id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    run     TEXT COLLATE "C" NOT NULL,
    target  TEXT    NOT NULL,
    body    BYTEA   NOT NULL,
    created BIGINT  NOT NULL,
    due     BIGINT  NOT NULL,
    held    BIGINT  NOT NULL DEFAULT 0,      -- end of the taker's lease
    tries   BIGINT  NOT NULL DEFAULT 0,
    error   TEXT    NOT NULL DEFAULT '',
    settled BIGINT,
    dead    BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX notices_by_run     ON solocron.notices (run, id);
CREATE INDEX notices_by_due     ON solocron.notices (target, due, id) WHERE settled IS NULL;
CREATE INDEX notices_by_settled ON solocron.notices (settled) WHERE settled IS NOT NULL;

-- One row per committed write, to look up a commit whose answer was lost.
CREATE TABLE solocron.writes (
    nonce TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at    TIMESTAMPTZ      NOT NULL DEFAULT now()
);

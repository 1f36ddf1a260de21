-- Which ledger this is, how many beats it has had, and why nobody may schedule
-- by it ('' if anybody may). One row.
CREATE TABLE mark (
    ledger TEXT    NOT NULL,
    beats  INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    halted TEXT    NOT NULL
) STRICT;
INSERT INTO mark (ledger, beats, at, halted) VALUES (lower(hex(randomblob(10))), 0, unixepoch() * 1000, '');

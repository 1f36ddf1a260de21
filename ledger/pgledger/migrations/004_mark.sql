-- Which ledger this is, how many beats it has had, and why nobody may schedule
-- by it ('' if anybody may). One row, which beats alone write.
CREATE TABLE solocron.mark (
    ledger TEXT   NOT NULL,
    beats  BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    halted TEXT   NOT NULL
);
INSERT INTO solocron.mark (ledger, beats, at, halted)
    VALUES (substr(replace(gen_random_uuid()::text, '-', ''), 1, 20), 0, extract(epoch FROM now())::bigint * 1000, '');

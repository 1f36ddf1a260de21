-- How far the due times of a job have been compared with its runs.
ALTER TABLE solocron.jobs ADD COLUMN checked bigint;

-- How far the due times of a job have been compared with its runs.
ALTER TABLE jobs ADD COLUMN checked INTEGER;

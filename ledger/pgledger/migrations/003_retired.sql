-- When a job was taken out of force; NULL while it is in force.
ALTER TABLE solocron.jobs ADD COLUMN retired bigint;

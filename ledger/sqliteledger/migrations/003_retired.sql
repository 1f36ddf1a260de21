-- When a job was taken out of force; NULL while it is in force.
ALTER TABLE jobs ADD COLUMN retired INTEGER;

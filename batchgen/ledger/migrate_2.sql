-- Schema 2 to 3: the same jobs by a condition that costs a third; it is asked of each job that is written.
DROP INDEX job_open;
CREATE INDEX job_open ON job (state) WHERE state != 'pending' AND state != 'rendered' AND state != 'archived';

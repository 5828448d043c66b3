-- Schema 1 to 2: callbacks, spending, decisions, reuse.
ALTER TABLE job ADD COLUMN source TEXT;
ALTER TABLE attempt ADD COLUMN run INTEGER;
ALTER TABLE attempt ADD COLUMN price INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempt ADD COLUMN token BLOB;
ALTER TABLE attempt ADD COLUMN called_at REAL;
ALTER TABLE attempt ADD COLUMN candidate TEXT;
CREATE INDEX attempt_started ON attempt (started_at);
CREATE UNIQUE INDEX attempt_token ON attempt (token) WHERE token IS NOT NULL;
CREATE UNIQUE INDEX attempt_task ON attempt (task_id) WHERE task_id IS NOT NULL;
CREATE TABLE run (run INTEGER PRIMARY KEY, started_at REAL NOT NULL, ended_at REAL) STRICT;
CREATE TABLE listening (since REAL PRIMARY KEY, until REAL NOT NULL) STRICT;
CREATE TABLE decision (
    decided_at REAL NOT NULL, job INTEGER NOT NULL REFERENCES job, action TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;

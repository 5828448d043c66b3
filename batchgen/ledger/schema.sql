-- The batch's memory. Times are Unix seconds of this machine's clock unless said otherwise; order is by key.

-- What the batch is: its service, manifest, destination.
CREATE TABLE fact (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One thing to pay for. Rows with the same request and seed share one.
CREATE TABLE job (
    job           INTEGER PRIMARY KEY,
    digest        BLOB NOT NULL,               -- SHA-256 of the request
    request       TEXT NOT NULL,               -- JSON; image links without what signs them
    signed        INTEGER NOT NULL DEFAULT 0,  -- 1: its image links were signed, and only the manifest has them whole
    state         TEXT NOT NULL DEFAULT 'pending',
    wanted        INTEGER NOT NULL DEFAULT 0,  -- rows of the present manifest that want it
    position      INTEGER,                     -- of the first of them
    task_id       TEXT,
    urls          TEXT,                        -- JSON; NULL: unknown or signed, to be asked for
    fail_code     TEXT,                        -- as the service said it
    fail_message  TEXT,
    attempts      INTEGER NOT NULL DEFAULT 0,
    submitted_at  REAL,
    completed_at  REAL,                        -- the service's clock
    generation_ms INTEGER,
    remake        INTEGER NOT NULL DEFAULT 0,  -- 1: may be paid for (again) by this run, if the video cannot be fetched
    source        TEXT                         -- JSON: files that hold the video: another batch's (--reuse), or once missing
) STRICT;
CREATE INDEX job_digest ON job (digest);
CREATE UNIQUE INDEX job_task ON job (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX job_pending ON job (position) WHERE state = 'pending' AND wanted > 0;
CREATE INDEX job_rendered ON job (completed_at) WHERE state = 'rendered';
CREATE INDEX job_open ON job (state) WHERE state != 'pending' AND state != 'rendered' AND state != 'archived';

-- One wanted video: a row of the manifest, or one of those that its lists and seeds expand to.
CREATE TABLE row (
    row      INTEGER PRIMARY KEY,
    id       TEXT NOT NULL,
    given    INTEGER NOT NULL,  -- 1: the id is the manifest's own, 0: it follows from the content
    digest   BLOB NOT NULL,
    job      INTEGER NOT NULL REFERENCES job,
    position INTEGER,           -- in the present manifest; NULL: it was edited or is gone
    number   INTEGER NOT NULL,  -- the manifest's record
    name     TEXT NOT NULL,     -- the video's file name
    fold     BLOB NOT NULL,     -- hash of the name as the least exact file system compares it
    extras   TEXT               -- JSON: the manifest's own further columns
) STRICT;
CREATE UNIQUE INDEX row_id ON row (id, digest);
CREATE UNIQUE INDEX row_fold ON row (fold);
CREATE INDEX row_job ON row (job);
CREATE INDEX row_position ON row (position) WHERE position IS NOT NULL;

-- One POST that may have been paid for. Written before it is sent; those that surely were not paid are deleted.
CREATE TABLE attempt (
    attempt    INTEGER PRIMARY KEY AUTOINCREMENT,
    job        INTEGER NOT NULL REFERENCES job,
    started_at REAL NOT NULL,
    ended_at   REAL,     -- when its answer was there; for people who look into the file
    outcome    TEXT,     -- NULL: not known (yet); missing: accepted, and later unknown to the service
    detail     TEXT,
    task_id    TEXT,
    run        INTEGER,  -- that made it
    price      INTEGER NOT NULL DEFAULT 0,  -- millionths of a US dollar, reserved or spent
    token      BLOB,     -- SHA-256 of the secret in its callback's address; NULL: it had none
    called_at  REAL,     -- when its callback first came
    candidate  TEXT      -- the task id that the callback brought, to be verified; detail names those that proved wrong
) STRICT;
CREATE INDEX attempt_job ON attempt (job);
CREATE INDEX attempt_started ON attempt (started_at);
CREATE UNIQUE INDEX attempt_token ON attempt (token) WHERE token IS NOT NULL;
CREATE UNIQUE INDEX attempt_task ON attempt (task_id) WHERE task_id IS NOT NULL;  -- one job's for ever

-- One run that submits; one that crashed is continued by the next, so that its limits hold for both.
CREATE TABLE run (
    run        INTEGER PRIMARY KEY,
    started_at REAL NOT NULL,
    ended_at   REAL  -- NULL: it runs, or it crashed
) STRICT;

-- When callbacks could be received, without a gap.
CREATE TABLE listening (
    since REAL PRIMARY KEY,
    until REAL NOT NULL
) STRICT;

-- What a person decided about a job in doubt.
CREATE TABLE decision (
    decided_at REAL NOT NULL,
    job        INTEGER NOT NULL REFERENCES job,
    action     TEXT NOT NULL,  -- attach, resubmit, abandon; released: nobody did, its callback never came
    detail     TEXT NOT NULL
) STRICT;

-- One archived file or object: complete, durable, and with this hash.
CREATE TABLE video (
    row         INTEGER NOT NULL REFERENCES row,
    part        INTEGER NOT NULL,  -- of a task that gave several, from 0
    place       TEXT NOT NULL,     -- a path (relative to the batch's folder where it lies within) or s3://bucket/key
    bytes       INTEGER NOT NULL,
    sha256      BLOB NOT NULL,
    archived_at REAL NOT NULL,
    PRIMARY KEY (row, part)
) STRICT, WITHOUT ROWID;

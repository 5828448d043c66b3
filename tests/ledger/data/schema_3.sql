BEGIN TRANSACTION;
CREATE TABLE attempt (
    attempt    INTEGER PRIMARY KEY AUTOINCREMENT,
    job        INTEGER NOT NULL REFERENCES job,
    started_at REAL NOT NULL,
    ended_at   REAL,
    outcome    TEXT,     -- NULL: not known (yet)
    detail     TEXT,
    task_id    TEXT,
    run        INTEGER,  -- that made it
    price      INTEGER NOT NULL DEFAULT 0,  -- millionths of a US dollar, reserved or spent
    token      BLOB,     -- SHA-256 of the secret in its callback's address; NULL: it had none
    called_at  REAL,     -- when its callback first came
    candidate  TEXT      -- the task id that the callback brought, to be verified
) STRICT;
INSERT INTO "attempt" VALUES(1,1,1.79566710485337829592e+09,1.79566710485368180279e+09,'accepted','','task_1',1,100,NULL,NULL,NULL);
INSERT INTO "attempt" VALUES(2,2,1.79566710485935688017e+09,1.79566710485964369774e+09,'accepted','','task_2',1,100,NULL,NULL,NULL);
INSERT INTO "attempt" VALUES(3,3,1.79566710486004114154e+09,1.79566710486015701292e+09,'accepted','','task_3',1,100,NULL,NULL,NULL);
INSERT INTO "attempt" VALUES(4,4,1.79566710486052823064e+09,1.79566710486063623427e+09,'accepted','','task_4',1,100,NULL,NULL,NULL);
INSERT INTO "attempt" VALUES(5,5,1.79566710486092782016e+09,1.7956671048610351086e+09,'accepted','','task_5',1,100,NULL,NULL,NULL);
CREATE TABLE decision (
    decided_at REAL NOT NULL,
    job        INTEGER NOT NULL REFERENCES job,
    action     TEXT NOT NULL,  -- attach, resubmit, abandon; released: nobody did, its callback never came
    detail     TEXT NOT NULL
) STRICT;
CREATE TABLE fact (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "fact" VALUES('entered','5.0');
INSERT INTO "fact" VALUES('service','https://api.example');
INSERT INTO "fact" VALUES('taken','as it was');
INSERT INTO "fact" VALUES('written','x');
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
    remake        INTEGER NOT NULL DEFAULT 0,  -- 1: may be paid for (again) if the video cannot be fetched
    source        TEXT                         -- JSON: files of another batch that hold the video (--reuse)
) STRICT;
INSERT INTO "job" VALUES(1,X'E2BD70A30391A420447766DC434E8B50F1812262FD883642333E300DE7C569B5','{"model":"wan-2-5","mode":"text-to-video","prompt":"a fox\r\nat dusk","seed":1}',0,'archived',0,NULL,'task_1',NULL,NULL,NULL,1,1000000000.0,1000000060.0,60000,0,NULL);
INSERT INTO "job" VALUES(2,X'63EE2168474F14B569D07B5E88C5F0C7EA43F9DD96089FBDA008B53ECFE18370','{"model":"wan-2-5","mode":"text-to-video","prompt":"a lake\r\nin rain"}',0,'archived',1,2,'task_2',NULL,NULL,NULL,1,1000000000.0,1000000060.0,60000,0,NULL);
INSERT INTO "job" VALUES(3,X'7620C10BDE72891FDA277BB6F88D52E3F364B493C3FCA5A4EBFD3F6A4CB25F18','{"model":"wan-2-5","mode":"text-to-video","prompt":"a lake\nin rain"}',0,'archived',1,3,'task_3',NULL,NULL,NULL,1,1000000000.0,1000000060.0,60000,0,NULL);
INSERT INTO "job" VALUES(4,X'E2CDF611BE98C2375158750DDC266224723B889800A96DF0792BBF1D62A8F6DD','{"model":"wan-2-5","mode":"image-to-video","prompt":"it moves","image_urls":["https://b.oss-cn-hangzhou.aliyuncs.com/a.png?x-oss-process=image%2Fresize%2Cw_100&x-oss-date=1&x-oss-expires=60&x-oss-signature=s1&x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=c"],"seed":7}',0,'archived',0,NULL,'task_4',NULL,NULL,NULL,1,1000000000.0,1000000060.0,60000,0,NULL);
INSERT INTO "job" VALUES(5,X'17605042AEBBEBFF7B246254AFA39F35416F35E51DAC4F8F8560944EE3559A70','{"model":"wan-2-5","mode":"text-to-video","prompt":"what is it? \\r no","seed":3}',0,'archived',1,5,'task_5',NULL,NULL,NULL,1,1000000000.0,1000000060.0,60000,0,NULL);
INSERT INTO "job" VALUES(6,X'778821128CE57291B80C89C0041AB6BA7D3C2EF62EB7854772BE78F3070F4408','{"model":"wan-2-5","mode":"text-to-video","prompt":"a fox\nat dusk","seed":1}',0,'pending',1,1,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,0,NULL);
INSERT INTO "job" VALUES(9,X'9C15557289DD9E526AC08DD57F0967DDC37FE4A9B8ED4B802AB2F85782CC02B0','{"model":"wan-2-5","mode":"image-to-video","prompt":"it moves","image_urls":["https://b.oss-cn-hangzhou.aliyuncs.com/a.png?x-oss-process=image%2Fresize%2Cw_100&x-oss-date=2&x-oss-expires=60&x-oss-signature=s2&x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=c"],"seed":7}',0,'pending',1,4,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,0,NULL);
INSERT INTO "job" VALUES(11,X'BD6C8A6513260CB1A8D7B5A581A0C581B344659A89E2C6CDAEA165C76C126D92','{"model":"wan-2-5","mode":"text-to-video","prompt":"still\r\nto make","seed":9}',0,'pending',1,6,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,0,NULL);
CREATE TABLE listening (
    since REAL PRIMARY KEY,
    until REAL NOT NULL
) STRICT;
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
INSERT INTO "row" VALUES(1,'two-lines',1,X'E2BD70A30391A420447766DC434E8B50F1812262FD883642333E300DE7C569B5',1,NULL,1,'two-lines.mp4',X'5487996E3D489FB89CA0EF4EB5C4D025','{"scene":"s1"}');
INSERT INTO "row" VALUES(2,'a-lake-in-rain-63ee2168474f',0,X'63EE2168474F14B569D07B5E88C5F0C7EA43F9DD96089FBDA008B53ECFE18370',2,2,2,'a-lake-in-rain-63ee2168474f.mp4',X'84A5239A163D7BCC4DF70DADB8F1CFDB','{"scene":"s2"}');
INSERT INTO "row" VALUES(3,'a-lake-in-rain-7620c10bde72',0,X'7620C10BDE72891FDA277BB6F88D52E3F364B493C3FCA5A4EBFD3F6A4CB25F18',3,3,3,'a-lake-in-rain-7620c10bde72.mp4',X'083BEC6B7271BDE1EC3E766D5A46CA96','{"scene":"s3"}');
INSERT INTO "row" VALUES(4,'picture',1,X'E2CDF611BE98C2375158750DDC266224723B889800A96DF0792BBF1D62A8F6DD',4,NULL,4,'picture.mp4',X'B820FAFB50088DD933FA7A39C38FB67D','{"scene":"s4"}');
INSERT INTO "row" VALUES(5,'plain',1,X'17605042AEBBEBFF7B246254AFA39F35416F35E51DAC4F8F8560944EE3559A70',5,5,5,'plain.mp4',X'114CC169013678B9C3DB95474495D08C','{"scene":"s5"}');
INSERT INTO "row" VALUES(6,'two-lines',1,X'778821128CE57291B80C89C0041AB6BA7D3C2EF62EB7854772BE78F3070F4408',6,1,1,'two-lines-8459ca6c.mp4',X'0C7A36742866737D8D93D53078DAA514','{"scene":"s1"}');
INSERT INTO "row" VALUES(7,'picture',1,X'9C15557289DD9E526AC08DD57F0967DDC37FE4A9B8ED4B802AB2F85782CC02B0',9,4,4,'picture-3a051e38.mp4',X'62C4D4DC198EBE00BFAFBDBC4F5C76A7','{"scene":"s4"}');
INSERT INTO "row" VALUES(8,'new',1,X'BD6C8A6513260CB1A8D7B5A581A0C581B344659A89E2C6CDAEA165C76C126D92',11,6,6,'new.mp4',X'C78432715148CC8801F6589277AE3975','{"scene":"s6"}');
CREATE TABLE run (
    run        INTEGER PRIMARY KEY,
    started_at REAL NOT NULL,
    ended_at   REAL  -- NULL: it runs, or it crashed
) STRICT;
INSERT INTO "run" VALUES(1,1.79566710481604886054e+09,1.79566710486130023003e+09);
CREATE TABLE video (
    row         INTEGER NOT NULL REFERENCES row,
    part        INTEGER NOT NULL,  -- of a task that gave several, from 0
    place       TEXT NOT NULL,     -- a path (relative to the batch's folder where it lies within) or s3://bucket/key
    bytes       INTEGER NOT NULL,
    sha256      BLOB NOT NULL,
    archived_at REAL NOT NULL,
    PRIMARY KEY (row, part)
) STRICT, WITHOUT ROWID;
INSERT INTO "video" VALUES(1,0,'videos/two-lines.mp4',3,X'5487996E3D489FB89CA0EF4EB5C4D025B0222197DFD289C3E9F14C3C426943AE',1.79566710485408234602e+09);
INSERT INTO "video" VALUES(2,0,'videos/a-lake-in-rain-63ee2168474f.mp4',3,X'84A5239A163D7BCC4DF70DADB8F1CFDB3B10C4D8B9F0774819A0EB3D53AD6DDF',1.79566710485989117617e+09);
INSERT INTO "video" VALUES(3,0,'videos/a-lake-in-rain-7620c10bde72.mp4',3,X'083BEC6B7271BDE1EC3E766D5A46CA964878EB1395B822914ABBEC809478DF05',1.79566710486040663724e+09);
INSERT INTO "video" VALUES(4,0,'videos/picture.mp4',3,X'B820FAFB50088DD933FA7A39C38FB67D8319FCC4D6EBB3021F96762B6D18EF7A',1.79566710486081910136e+09);
INSERT INTO "video" VALUES(5,0,'videos/plain.mp4',3,X'114CC169013678B9C3DB95474495D08CF54A8E5818010640881B6C880EEC2885',1.79566710486121702198e+09);
CREATE UNIQUE INDEX job_task ON job (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX job_pending ON job (position) WHERE state = 'pending' AND wanted > 0;
CREATE INDEX job_rendered ON job (completed_at) WHERE state = 'rendered';
CREATE INDEX job_open ON job (state) WHERE state != 'pending' AND state != 'rendered' AND state != 'archived';
CREATE INDEX row_job ON row (job);
CREATE INDEX row_position ON row (position) WHERE position IS NOT NULL;
CREATE INDEX attempt_job ON attempt (job);
CREATE INDEX attempt_started ON attempt (started_at);
CREATE UNIQUE INDEX attempt_token ON attempt (token) WHERE token IS NOT NULL;
CREATE UNIQUE INDEX attempt_task ON attempt (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX job_digest ON job (digest);
CREATE UNIQUE INDEX row_id ON row (id, digest);
CREATE UNIQUE INDEX row_fold ON row (fold);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('attempt',5);
COMMIT;

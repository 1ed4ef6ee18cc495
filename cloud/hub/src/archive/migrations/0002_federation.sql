-- Federated runs, as they were started and what became of them.
CREATE TABLE runs (
    -- Order of start.
    number        INTEGER PRIMARY KEY,
    -- ULID.
    id            TEXT    NOT NULL UNIQUE,
    -- Protobuf barefoot.v1.RunSettings, as it was asked for.
    settings      BLOB    NOT NULL,
    -- What the run trains, fixed at its start: protobuf barefoot.v1.Parameters without chunks.
    tensors       BLOB    NOT NULL,
    -- JSON: SHA-256 (hex) of the backbone artefacts whose features count as the same.
    backbone      TEXT    NOT NULL,
    -- The plan the candidate will be judged by, as it was at the start.
    plan_name     TEXT,
    plan_sha256   TEXT,
    -- Common name of the maintainer's certificate.
    started_by    TEXT    NOT NULL,
    started_at_ms INTEGER NOT NULL,
    ended_at_ms   INTEGER,
    -- 'finishing': all rounds are done, the candidate is being made.
    state         TEXT    NOT NULL CHECK (state IN ('running', 'finishing', 'finished', 'failed', 'stopped')),
    reason        TEXT    NOT NULL,
    candidate     TEXT    NOT NULL
);

-- The parameters a round starts from, and the server's moments with them. Chunk ids of 32 bytes, end to end.
CREATE TABLE run_globals (
    run    TEXT    NOT NULL REFERENCES runs (id),
    -- One more than the rounds of the run: what the run ends with.
    round  INTEGER NOT NULL,
    chunks BLOB    NOT NULL,
    first  BLOB,
    second BLOB,
    PRIMARY KEY (run, round)
);

-- Attempts at rounds. One row is open for each running run.
CREATE TABLE attempts (
    run           TEXT    NOT NULL REFERENCES runs (id),
    round         INTEGER NOT NULL,
    attempt       INTEGER NOT NULL,
    stage         TEXT    NOT NULL,
    -- Why it failed.
    reason        TEXT    NOT NULL,
    started_at_ms INTEGER NOT NULL,
    ended_at_ms   INTEGER,
    -- Of the stage, wall clock.
    deadline_ms   INTEGER NOT NULL,
    -- The stage is in its second time, for late replies.
    extended      INTEGER NOT NULL CHECK (extended IN (0, 1)),
    -- Something of the clinics' data was released: it counts for privacy, whatever became of the attempt.
    released      INTEGER NOT NULL CHECK (released IN (0, 1)),
    PRIMARY KEY (run, round, attempt)
);
CREATE UNIQUE INDEX one_open_attempt ON attempts (run) WHERE ended_at_ms IS NULL;

-- How far each clinic got in an attempt.
CREATE TABLE round_members (
    run      TEXT    NOT NULL,
    round    INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    clinic   TEXT    NOT NULL,
    progress TEXT    NOT NULL,
    -- 'declined', 'refused', 'excluded', or NULL for one that is still in.
    left     TEXT,
    PRIMARY KEY (run, round, attempt, clinic),
    FOREIGN KEY (run, round, attempt) REFERENCES attempts (run, round, attempt)
);

-- What clinics sent and the hub accepted: at most one of a kind from each clinic in an attempt.
CREATE TABLE round_replies (
    run     TEXT    NOT NULL,
    round   INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    clinic  TEXT    NOT NULL,
    duty    TEXT    NOT NULL,
    -- Of the whole message: the same reply again gives the same answer.
    sha256  BLOB    NOT NULL,
    -- The protobuf message. Emptied at the attempt's end where it holds keys and shares.
    body    BLOB    NOT NULL,
    -- L2 norm of an update; 0 where it is not known.
    norm    REAL    NOT NULL,
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (run, round, attempt, clinic, duty),
    FOREIGN KEY (run, round, attempt) REFERENCES attempts (run, round, attempt)
);

-- What clinics sent and the hub refused, for the operator.
CREATE TABLE round_refusals (
    number  INTEGER PRIMARY KEY,
    run     TEXT    NOT NULL,
    round   INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    clinic  TEXT    NOT NULL,
    code    TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    at_ms   INTEGER NOT NULL,
    FOREIGN KEY (run, round, attempt) REFERENCES attempts (run, round, attempt)
);
CREATE INDEX round_refusals_by_attempt ON round_refusals (run, round, attempt, clinic);

CREATE TABLE round_metrics (
    run     TEXT    NOT NULL,
    round   INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    value   REAL    NOT NULL,
    PRIMARY KEY (run, round, attempt, name),
    FOREIGN KEY (run, round, attempt) REFERENCES attempts (run, round, attempt)
);

-- Chunks a clinic has sent and no reply names yet. Emptied when no round takes updates.
CREATE TABLE uploads (
    clinic TEXT    NOT NULL,
    chunk  BLOB    NOT NULL,
    bytes  INTEGER NOT NULL,
    PRIMARY KEY (clinic, chunk)
);

-- When the hub was last known to run: time without a hub does not count for a stage.
CREATE TABLE federation_alive (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    at_ms INTEGER NOT NULL
);

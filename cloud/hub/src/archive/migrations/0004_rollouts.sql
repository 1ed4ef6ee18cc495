-- Releases, rollouts and what each box runs.

-- The last report of each clinic's box.
CREATE TABLE boxes (
    clinic         TEXT    PRIMARY KEY,
    -- What answers there; both empty where nothing does.
    model_id       TEXT    NOT NULL,
    active_version TEXT    NOT NULL,
    -- Protobuf barefoot.v1.BoxReport.
    report         BLOB    NOT NULL,
    seen_at_ms     INTEGER NOT NULL
);
CREATE INDEX boxes_by_model ON boxes (model_id, active_version);

CREATE TABLE rollouts (
    -- Order of start.
    number        INTEGER PRIMARY KEY,
    model_id      TEXT    NOT NULL,
    version       TEXT    NOT NULL,
    -- TOML, as it was given.
    plan          TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN
                  ('canary', 'ring', 'fleet', 'finished', 'halted', 'rolling_back', 'rolled_back')),
    -- 0 the canary, then the rings.
    stage         INTEGER NOT NULL,
    -- When state and stage became these.
    since_ms      INTEGER NOT NULL,
    reason        TEXT    NOT NULL,
    started_at_ms INTEGER NOT NULL
);
-- One at a time is on its way for a model.
CREATE UNIQUE INDEX rollout_under_way ON rollouts (model_id)
    WHERE state IN ('canary', 'ring', 'fleet', 'rolling_back');

CREATE TABLE rollout_boxes (
    rollout        INTEGER NOT NULL REFERENCES rollouts (number),
    clinic         TEXT    NOT NULL,
    ring           INTEGER NOT NULL,
    -- What answered there before, empty where nothing did; NULL until the box has told.
    before_version TEXT,
    -- Protobuf barefoot.v1.BoxHealth: the last of the version before, and the last while the new one ran beside it.
    before_health  BLOB,
    shadow_health  BLOB,
    PRIMARY KEY (rollout, clinic)
);

-- Everything that happened to a rollout, in order.
CREATE TABLE rollout_steps (
    number  INTEGER PRIMARY KEY,
    rollout INTEGER NOT NULL REFERENCES rollouts (number),
    at_ms   INTEGER NOT NULL,
    state   TEXT    NOT NULL,
    stage   INTEGER NOT NULL,
    reason  TEXT    NOT NULL
);
CREATE INDEX rollout_steps_by_rollout ON rollout_steps (rollout, number);

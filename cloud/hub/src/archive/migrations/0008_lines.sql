-- The clocks of both ends beside each result, the line of each clinic, and how long duplicates' ids are kept.

-- What the box's clock lacked to the hub's when the envelope was sent; NULL where the box did not know.
ALTER TABLE envelopes ADD COLUMN clock_offset_ms INTEGER;
-- 0: the same version came under this id a second time. Such an id is forgotten after a while: whoever sends it again
-- meets the rule of (clinic, case, version), which stands for ever.
ALTER TABLE envelopes ADD COLUMN carries_result INTEGER NOT NULL DEFAULT 1 CHECK (carries_result IN (0, 1));

-- The same at the time of the assessment.
ALTER TABLE results ADD COLUMN clock_offset_ms INTEGER;
-- When the assessment was made by the hub's clock, never later than it arrived; deadlines run from here.
ALTER TABLE results ADD COLUMN detected_at_ms INTEGER NOT NULL DEFAULT 0;
-- What that rests on: the offset at the assessment, the offset when it was sent, its age when it was sent, or nothing but
-- the box's clock.
ALTER TABLE results ADD COLUMN detected_by TEXT NOT NULL DEFAULT 'box' CHECK (detected_by IN ('assessment', 'sending', 'age', 'box'));

CREATE INDEX results_by_envelope ON results (clinic, envelope_id);
DROP INDEX results_by_urgency;
CREATE INDEX results_by_urgency ON results (urgency, detected_at_ms);
UPDATE results SET detected_at_ms = MIN(assessed_at_ms, committed_at_ms);
UPDATE envelopes SET carries_result = 0 WHERE NOT EXISTS (
    SELECT 1 FROM results r WHERE r.clinic = envelopes.clinic AND r.envelope_id = envelopes.id
);
CREATE INDEX envelopes_duplicate ON envelopes (committed_at_ms) WHERE carries_result = 0;

-- The newest session that each clinic's box told of, and how the box was then.
CREATE TABLE lines (
    clinic         TEXT    PRIMARY KEY,
    -- Rising over all sessions of the box.
    session        INTEGER NOT NULL,
    up             INTEGER NOT NULL CHECK (up IN (0, 1)),
    since_ms       INTEGER NOT NULL,
    heard_ms       INTEGER NOT NULL,
    client_version TEXT    NOT NULL,
    -- The newest barefoot.v1.BoxHealth.
    health         BLOB,
    health_at_ms   INTEGER
);

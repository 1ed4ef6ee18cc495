-- Drafts, opinions, signed reports.

-- What a reader has written and not signed. Saved while it is written.
CREATE TABLE drafts (
    clinic      TEXT    NOT NULL,
    case_id     TEXT    NOT NULL,
    person      TEXT    NOT NULL,
    -- Of the study it was written for.
    version     INTEGER NOT NULL,
    -- Protobuf barefoot.v1.ReportContent, its readers and times empty.
    content     BLOB    NOT NULL,
    -- Rising with each save: a page that is older does not overwrite what is newer.
    revision    INTEGER NOT NULL,
    saved_at_ms INTEGER NOT NULL,
    PRIMARY KEY (clinic, case_id, person)
);

-- What a reader said where another has to read too. It does not change any more.
CREATE TABLE reader_opinions (
    clinic  TEXT    NOT NULL,
    case_id TEXT    NOT NULL,
    version INTEGER NOT NULL,
    stage   TEXT    NOT NULL CHECK (stage IN ('first', 'second')),
    person  TEXT    NOT NULL,
    -- As of drafts.
    content BLOB    NOT NULL,
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (clinic, case_id, version, stage)
);

CREATE TABLE reports (
    id              TEXT    PRIMARY KEY,
    clinic          TEXT    NOT NULL,
    case_id         TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    addendum_to     TEXT    REFERENCES reports (id),
    -- Protobuf barefoot.v1.SignedReport as it was signed.
    signed          BLOB    NOT NULL,
    signer          TEXT    NOT NULL,
    tier            INTEGER NOT NULL,
    urgency         INTEGER NOT NULL,
    signed_at_ms    INTEGER NOT NULL,
    -- The message that takes it to its clinic.
    envelope_id     TEXT    NOT NULL,
    delivered_at_ms INTEGER,
    read_at_ms      INTEGER,
    FOREIGN KEY (clinic, envelope_id) REFERENCES outgoing (clinic, envelope_id)
);
CREATE INDEX reports_by_case ON reports (clinic, case_id, signed_at_ms);
CREATE INDEX reports_by_time ON reports (signed_at_ms);
CREATE INDEX reports_by_envelope ON reports (clinic, envelope_id);

-- What the signed reports said of each finding, beside what the model had said: for agreement and drift.
CREATE TABLE report_statements (
    report   TEXT    NOT NULL REFERENCES reports (id),
    position INTEGER NOT NULL,
    finding  TEXT    NOT NULL,
    -- present, absent, possible
    presence TEXT    NOT NULL,
    -- The model's call, where it made one: 1 positive.
    called   INTEGER,
    PRIMARY KEY (report, position)
);
CREATE INDEX report_statements_by_finding ON report_statements (finding);
-- Reports whose delivery was not noted with their case yet.
ALTER TABLE outgoing ADD COLUMN case_id TEXT;
-- What kind of message it is, as of barefoot.v1.Kind; those before were corrections.
ALTER TABLE outgoing ADD COLUMN kind INTEGER NOT NULL DEFAULT 3;
CREATE INDEX outgoing_states ON outgoing (clinic, case_id) WHERE kind = 9 AND settled_at_ms IS NULL;

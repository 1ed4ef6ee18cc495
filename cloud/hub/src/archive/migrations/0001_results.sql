-- Everything accepted from clinics, exactly once.
CREATE TABLE envelopes (
    clinic          TEXT    NOT NULL,
    -- ULID made by the clinic's box. Unique per clinic: no clinic can occupy the id of another's message.
    id              TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    sent_at_ms      INTEGER NOT NULL,
    committed_at_ms INTEGER NOT NULL,
    -- The result as accepted, protobuf barefoot.v1.StudyResult in canonical form: the record itself.
    body            BLOB    NOT NULL,
    PRIMARY KEY (clinic, id)
);

-- The index to the bodies: one row per version of a case, with what lists sort and filter by.
CREATE TABLE results (
    -- Order of commit.
    number          INTEGER PRIMARY KEY,
    clinic          TEXT    NOT NULL,
    case_id         TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    envelope_id     TEXT    NOT NULL,
    modality        TEXT    NOT NULL,
    instances       INTEGER NOT NULL,
    received_at_ms  INTEGER NOT NULL,
    assessed_at_ms  INTEGER NOT NULL,
    committed_at_ms INTEGER NOT NULL,
    -- 0 routine, 1 review, 2 critical.
    urgency         INTEGER NOT NULL CHECK (urgency BETWEEN 0 AND 2),
    quality         TEXT    NOT NULL CHECK (quality IN ('A', 'B', 'C')),
    model_id        TEXT,
    model_version   TEXT,
    UNIQUE (clinic, case_id, version),
    FOREIGN KEY (clinic, envelope_id) REFERENCES envelopes (clinic, id)
);
CREATE INDEX results_by_urgency ON results (urgency, assessed_at_ms);
CREATE INDEX results_by_clinic ON results (clinic, committed_at_ms);

CREATE TABLE findings (
    result     INTEGER NOT NULL REFERENCES results (number),
    position   INTEGER NOT NULL,
    code       TEXT    NOT NULL,
    score      REAL    NOT NULL,
    positive   INTEGER NOT NULL CHECK (positive IN (0, 1)),
    confidence REAL    NOT NULL,
    PRIMARY KEY (result, position)
);
CREATE INDEX findings_by_code ON findings (code, positive);

-- Counted in the transaction that caused them.
CREATE TABLE counters (
    name  TEXT    PRIMARY KEY,
    value INTEGER NOT NULL
);
INSERT INTO counters (name, value) VALUES ('envelopes', 0), ('results', 0), ('duplicates', 0), ('refused', 0);

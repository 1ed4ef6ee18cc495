-- Experts' corrections and what travels down to clinics.

-- What a clinic must be told. A row stays until the clinic's own receipt, whatever broker or line lost.
CREATE TABLE outgoing (
    clinic        TEXT    NOT NULL,
    -- The envelope's id; sending twice keeps it.
    envelope_id   TEXT    NOT NULL,
    made_at_ms    INTEGER NOT NULL,
    -- The protobuf barefoot.v1.Envelope as it is sent, without sequence and time of sending.
    envelope      BLOB    NOT NULL,
    settled_at_ms INTEGER,
    -- Why the clinic will not take it.
    refused       TEXT,
    PRIMARY KEY (clinic, envelope_id)
);
CREATE INDEX outgoing_unsettled ON outgoing (clinic, made_at_ms) WHERE settled_at_ms IS NULL;

CREATE TABLE corrections (
    id             TEXT    PRIMARY KEY,
    clinic         TEXT    NOT NULL,
    case_id        TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    finding        TEXT    NOT NULL,
    present        INTEGER NOT NULL CHECK (present IN (0, 1)),
    -- The name in the expert's certificate.
    expert         TEXT    NOT NULL,
    recorded_at_ms INTEGER NOT NULL,
    envelope_id    TEXT    NOT NULL,
    FOREIGN KEY (clinic, case_id, version) REFERENCES results (clinic, case_id, version),
    FOREIGN KEY (clinic, envelope_id) REFERENCES outgoing (clinic, envelope_id)
);
CREATE INDEX corrections_by_case ON corrections (clinic, case_id);

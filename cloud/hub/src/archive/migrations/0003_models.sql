-- Versions of models: what boxes run, and what runs made of it.
CREATE TABLE models (
    id          TEXT    NOT NULL,
    -- MAJOR.MINOR.PATCH; rises within an id.
    version     TEXT    NOT NULL,
    state       TEXT    NOT NULL
                CHECK (state IN ('base', 'candidate', 'passed', 'refused', 'released', 'withdrawn')),
    made_at_ms  INTEGER NOT NULL,
    -- The run that made it; a run makes one version.
    run         TEXT    UNIQUE,
    -- JSON: layout, chunks, backbone, findings, provenance.
    record      TEXT    NOT NULL,
    PRIMARY KEY (id, version)
);

-- What the gate found; written with the state it leads to, never changed.
CREATE TABLE gate_reports (
    model_id    TEXT    NOT NULL,
    version     TEXT    NOT NULL,
    json        TEXT    NOT NULL,
    -- SHA-256 (hex) of the two documents.
    json_sha256 TEXT    NOT NULL,
    html        TEXT    NOT NULL,
    html_sha256 TEXT    NOT NULL,
    -- JSON: the report in short, for lists.
    summary     TEXT    NOT NULL,
    PRIMARY KEY (model_id, version),
    FOREIGN KEY (model_id, version) REFERENCES models (id, version)
);

-- Locked: a name never gets another content. The content lies in the chunk store.
CREATE TABLE test_sets (
    name             TEXT    PRIMARY KEY,
    model_id         TEXT    NOT NULL,
    purpose          TEXT    NOT NULL CHECK (purpose IN ('evaluation', 'calibration')),
    -- SHA-256 (hex) of the whole content.
    sha256           TEXT    NOT NULL,
    registered_at_ms INTEGER NOT NULL,
    -- JSON: backbone, findings, channels, number of cases, source, chunks.
    record           TEXT    NOT NULL
);
CREATE INDEX test_sets_by_model ON test_sets (model_id);

-- What a run may change, written down before it starts.
CREATE TABLE plans (
    name             TEXT    PRIMARY KEY,
    model_id         TEXT    NOT NULL,
    toml             TEXT    NOT NULL,
    sha256           TEXT    NOT NULL,
    registered_at_ms INTEGER NOT NULL,
    -- JSON: the SHA-256 of every test set the plan names, as it was then.
    sets             TEXT    NOT NULL
);

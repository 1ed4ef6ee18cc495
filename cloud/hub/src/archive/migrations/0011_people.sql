-- People who work at the hub, how they sign in, and programs that ask for them.

CREATE TABLE people (
    -- ULID.
    id             TEXT    PRIMARY KEY,
    -- What is typed to sign in, lower case.
    name           TEXT    NOT NULL UNIQUE,
    display_name   TEXT    NOT NULL,
    title          TEXT    NOT NULL,
    institution    TEXT    NOT NULL,
    -- Words with a space between.
    roles          TEXT    NOT NULL,
    tier           TEXT    NOT NULL CHECK (tier IN ('county', 'city', 'province')),
    -- Short codes with a space between; empty: all.
    subspecialties TEXT    NOT NULL,
    language       TEXT    NOT NULL CHECK (language IN ('zh', 'en')),
    active         INTEGER NOT NULL CHECK (active IN (0, 1)),
    made_at_ms     INTEGER NOT NULL,
    -- Null until the person has set the account up: a PHC string of argon2id.
    password       TEXT,
    -- Of the key that seals what follows and the signing key; made from the password.
    seal_salt      BLOB    CHECK (seal_salt IS NULL OR length(seal_salt) = 16),
    code_secret    BLOB,
    -- The newest time step of RFC 6238 whose code was accepted: none is accepted twice.
    code_step      INTEGER NOT NULL DEFAULT 0
);

-- Wrong passwords and codes, apart for signing in and for signing: nobody outside can keep a reader from signing.
CREATE TABLE failures (
    person   TEXT    NOT NULL REFERENCES people (id),
    at_what  TEXT    NOT NULL CHECK (at_what IN ('sign_in', 'signature')),
    count    INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (person, at_what)
);

-- One-time codes with which a person sets password and authenticator.
CREATE TABLE set_ups (
    -- SHA-256.
    code          BLOB    PRIMARY KEY CHECK (length(code) = 32),
    person        TEXT    NOT NULL UNIQUE REFERENCES people (id),
    expires_at_ms INTEGER NOT NULL
);

CREATE TABLE sessions (
    -- SHA-256 of what the browser holds.
    token        BLOB    PRIMARY KEY CHECK (length(token) = 32),
    -- ULID, to name it on a page.
    id           TEXT    NOT NULL UNIQUE,
    person       TEXT    NOT NULL REFERENCES people (id),
    made_at_ms   INTEGER NOT NULL,
    seen_at_ms   INTEGER NOT NULL,
    -- When a code was last given to sign a report; 0: never.
    coded_at_ms  INTEGER NOT NULL DEFAULT 0,
    address      TEXT    NOT NULL,
    agent        TEXT    NOT NULL
);
CREATE INDEX sessions_by_person ON sessions (person);

-- A key is never removed: what it signed names it. Only its seed is, when another takes its place.
CREATE TABLE person_keys (
    public_key BLOB    PRIMARY KEY CHECK (length(public_key) = 32),
    person     TEXT    NOT NULL REFERENCES people (id),
    -- Sealed with the password; null once it was replaced.
    seed       BLOB,
    from_ms    INTEGER NOT NULL,
    until_ms   INTEGER
);
CREATE UNIQUE INDEX one_key_at_a_time ON person_keys (person) WHERE until_ms IS NULL;

-- Programs: DICOMweb clients, RIS, scripts.
CREATE TABLE program_tokens (
    id            TEXT    PRIMARY KEY,
    name          TEXT    NOT NULL UNIQUE,
    token         BLOB    NOT NULL UNIQUE CHECK (length(token) = 32),
    role          TEXT    NOT NULL,
    made_at_ms    INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER
);

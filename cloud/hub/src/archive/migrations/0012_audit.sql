-- Who did what. Each entry holds the hash of the one before it; heads are the hub's signatures over the newest hash.

CREATE TABLE audit (
    number          INTEGER PRIMARY KEY,
    at_ms           INTEGER NOT NULL,
    clock_went_back INTEGER NOT NULL CHECK (clock_went_back IN (0, 1)),
    actor_kind      TEXT    NOT NULL,
    actor           TEXT    NOT NULL,
    actor_name      TEXT    NOT NULL,
    action          TEXT    NOT NULL,
    clinic          TEXT    NOT NULL,
    case_id         TEXT    NOT NULL,
    subject         TEXT    NOT NULL,
    details         TEXT    NOT NULL,
    previous        BLOB    NOT NULL CHECK (length(previous) = 32),
    hash            BLOB    NOT NULL CHECK (length(hash) = 32)
);
CREATE INDEX audit_by_actor ON audit (actor, number);
CREATE INDEX audit_by_action ON audit (action, number);
CREATE INDEX audit_by_case ON audit (case_id, number);

CREATE TABLE audit_heads (
    sequence    INTEGER PRIMARY KEY,
    number      INTEGER NOT NULL,
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    at_ms       INTEGER NOT NULL,
    previous    BLOB    NOT NULL CHECK (length(previous) = 32),
    certificate BLOB    NOT NULL,
    signature   BLOB    NOT NULL
);

-- Against mistakes of our own; the hashes are against everybody else.
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever added to');
END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever added to');
END;
CREATE TRIGGER audit_heads_are_not_changed BEFORE UPDATE ON audit_heads BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever added to');
END;
CREATE TRIGGER audit_heads_are_not_deleted BEFORE DELETE ON audit_heads BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever added to');
END;

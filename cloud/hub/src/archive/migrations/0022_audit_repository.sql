-- How far the audit record repository has been told: the last entry that it has, by number and hash.

CREATE TABLE audit_told (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL,
    hash   BLOB    NOT NULL CHECK (length(hash) = 32)
);

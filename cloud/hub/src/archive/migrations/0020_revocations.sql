-- Whose certificates are not let in any more.
CREATE TABLE revocations (
    -- "clinic", a person's role, or "certificate".
    kind TEXT NOT NULL,
    -- The clinic's id, the person's name, or the SHA-256 of the certificate in hexadecimal digits.
    holder TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    by_whom TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (kind, holder)
) STRICT, WITHOUT ROWID;

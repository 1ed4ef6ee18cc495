-- Times at which this hub went on from a backup: boxes send again what they got receipts for since then.
CREATE TABLE restorations (
    -- Order.
    number         INTEGER PRIMARY KEY,
    -- 16 random bytes; each box does what it asks once.
    id             BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    -- By the clock of the hub that made the backup.
    since_ms       INTEGER NOT NULL,
    restored_at_ms INTEGER NOT NULL
) STRICT;

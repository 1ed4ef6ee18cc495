-- Accounts of people at the region's sign-in provider (OpenID Connect). An operator links each; none is made by itself.

CREATE TABLE identities (
    person          TEXT    PRIMARY KEY REFERENCES people (id),
    issuer          TEXT    NOT NULL,
    -- What the issuer calls the person, for good: the claim `sub`.
    subject         TEXT    NOT NULL,
    linked_at_ms    INTEGER NOT NULL,
    -- When the person showed, with password and code, that both accounts are the same person's.
    confirmed_at_ms INTEGER,
    UNIQUE (issuer, subject)
);

ALTER TABLE sessions ADD COLUMN by_provider INTEGER NOT NULL DEFAULT 0 CHECK (by_provider IN (0, 1));
-- What the provider calls its own session: the claim `sid`.
ALTER TABLE sessions ADD COLUMN provider_session TEXT;

-- One-time codes by which boxes become clinics'.
CREATE TABLE enrolments (
    -- SHA-256 that names the code.
    code_id BLOB PRIMARY KEY,
    clinic TEXT NOT NULL,
    -- What the code proves itself by; gone once it is over.
    secret BLOB,
    made_by TEXT NOT NULL,
    made_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    -- NULL while it is open, else 'used' or 'cancelled'.
    ended TEXT,
    -- SHA-256 of the public key that it was used for.
    used_key BLOB,
    -- The certificate that it gave.
    fingerprint BLOB
) STRICT;
CREATE INDEX enrolments_of_clinic ON enrolments (clinic, ended);

-- The key of each clinic's box that was enrolled: certificates of another key are not let in for the clinic.
CREATE TABLE enrolled_boxes (
    clinic TEXT PRIMARY KEY,
    key BLOB NOT NULL,
    enrolled_at_ms INTEGER NOT NULL,
    -- When it was found that there are two with this key.
    copied_at_ms INTEGER
) STRICT, WITHOUT ROWID;

-- Certificates that this hub issued to boxes.
CREATE TABLE certificates (
    -- SHA-256 of its DER.
    fingerprint BLOB PRIMARY KEY,
    clinic TEXT NOT NULL,
    key BLOB NOT NULL,
    -- With those above it, PEM.
    chain TEXT NOT NULL,
    issued_at_ms INTEGER NOT NULL,
    not_after_ms INTEGER NOT NULL,
    -- The one it renews.
    renews BLOB,
    -- When the box said that it has stored it.
    confirmed_at_ms INTEGER
) STRICT;
CREATE INDEX certificates_of_clinic ON certificates (clinic, issued_at_ms);
CREATE UNIQUE INDEX certificates_renewing ON certificates (renews) WHERE renews IS NOT NULL;

-- Images of hard cases. The files lie beside the database, named by their SHA-256; here stands which case they are of.

CREATE TABLE image_sets (
    clinic          TEXT    NOT NULL,
    case_id         TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    instances       INTEGER NOT NULL,
    -- Images that stay in the clinic.
    withheld        INTEGER NOT NULL,
    committed_at_ms INTEGER NOT NULL,
    -- The answer as it was given, protobuf barefoot.v1.ImageSetResult: whoever asks again gets it again.
    result          BLOB    NOT NULL,
    PRIMARY KEY (clinic, case_id, version)
);

CREATE TABLE quick_looks (
    clinic          TEXT    NOT NULL,
    case_id         TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    committed_at_ms INTEGER NOT NULL,
    -- Protobuf barefoot.v1.QuickLook, the key image first.
    pictures        BLOB    NOT NULL,
    PRIMARY KEY (clinic, case_id, version)
);

CREATE TABLE image_objects (
    clinic           TEXT    NOT NULL,
    case_id          TEXT    NOT NULL,
    version          INTEGER NOT NULL,
    sha256           BLOB    NOT NULL CHECK (length(sha256) = 32),
    -- Of a DICOM image; null for a picture of a quick look.
    sop_instance_uid TEXT,
    PRIMARY KEY (clinic, case_id, version, sha256)
);

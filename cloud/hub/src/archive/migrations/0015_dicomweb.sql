-- What is asked of images, and work that other systems ask for.

-- Cases whose images changed and whose index must be made again. Triggers write it, in the transaction of the change itself:
-- no commit can be forgotten, whoever makes it.
CREATE TABLE dicom_pending (
    clinic  TEXT    NOT NULL,
    case_id TEXT    NOT NULL,
    -- Counts the changes: who made the index takes the line away only if none came meanwhile.
    changes INTEGER NOT NULL,
    PRIMARY KEY (clinic, case_id)
);
CREATE TRIGGER dicom_set_added AFTER INSERT ON image_sets BEGIN
    INSERT INTO dicom_pending (clinic, case_id, changes) VALUES (NEW.clinic, NEW.case_id, 1)
    ON CONFLICT (clinic, case_id) DO UPDATE SET changes = changes + 1;
END;
CREATE TRIGGER dicom_set_changed AFTER UPDATE ON image_sets BEGIN
    INSERT INTO dicom_pending (clinic, case_id, changes) VALUES (NEW.clinic, NEW.case_id, 1)
    ON CONFLICT (clinic, case_id) DO UPDATE SET changes = changes + 1;
END;
CREATE TRIGGER dicom_set_removed AFTER DELETE ON image_sets BEGIN
    INSERT INTO dicom_pending (clinic, case_id, changes) VALUES (OLD.clinic, OLD.case_id, 1)
    ON CONFLICT (clinic, case_id) DO UPDATE SET changes = changes + 1;
END;
-- What is there already.
INSERT INTO dicom_pending (clinic, case_id, changes) SELECT DISTINCT clinic, case_id, 1 FROM image_sets;

-- Whether a study is some clinic's is asked before another system may bring one of that name.
CREATE INDEX results_by_case ON results (case_id);
CREATE INDEX image_sets_by_case ON image_sets (case_id);
CREATE INDEX image_objects_by_uid ON image_objects (clinic, sop_instance_uid) WHERE sop_instance_uid IS NOT NULL;

-- The newest version of each case. A study belongs to one clinic: two that name the same are a fault, and the first stays.
CREATE TABLE dicom_studies (
    number             INTEGER PRIMARY KEY,
    study_uid          TEXT    NOT NULL UNIQUE,
    clinic             TEXT    NOT NULL,
    version            INTEGER NOT NULL,
    study_date         TEXT    NOT NULL,
    study_time         TEXT    NOT NULL,
    accession_number   TEXT    NOT NULL,
    patient_name       TEXT    NOT NULL,
    patient_id         TEXT    NOT NULL,
    patient_birth_date TEXT    NOT NULL,
    patient_sex        TEXT    NOT NULL,
    study_id           TEXT    NOT NULL,
    study_description  TEXT    NOT NULL,
    -- Each between backslashes: \CT\DX\.
    modalities         TEXT    NOT NULL,
    series             INTEGER NOT NULL,
    instances          INTEGER NOT NULL
);
CREATE INDEX dicom_studies_by_date ON dicom_studies (study_date DESC, study_time DESC, number DESC);
CREATE INDEX dicom_studies_by_patient ON dicom_studies (patient_id);
CREATE INDEX dicom_studies_by_name ON dicom_studies (patient_name COLLATE NOCASE);
CREATE INDEX dicom_studies_by_accession ON dicom_studies (accession_number) WHERE accession_number <> '';

CREATE TABLE dicom_series (
    number             INTEGER PRIMARY KEY,
    study              INTEGER NOT NULL REFERENCES dicom_studies (number) ON DELETE CASCADE,
    series_uid         TEXT    NOT NULL,
    modality           TEXT    NOT NULL,
    series_number      TEXT    NOT NULL,
    series_description TEXT    NOT NULL,
    series_date        TEXT    NOT NULL,
    series_time        TEXT    NOT NULL,
    body_part          TEXT    NOT NULL,
    laterality         TEXT    NOT NULL,
    manufacturer       TEXT    NOT NULL,
    protocol_name      TEXT    NOT NULL,
    instances          INTEGER NOT NULL,
    UNIQUE (study, series_uid)
);
CREATE INDEX dicom_series_by_uid ON dicom_series (series_uid);

CREATE TABLE dicom_instances (
    number            INTEGER PRIMARY KEY,
    study             INTEGER NOT NULL REFERENCES dicom_studies (number) ON DELETE CASCADE,
    series            INTEGER NOT NULL REFERENCES dicom_series (number) ON DELETE CASCADE,
    sop_instance_uid  TEXT    NOT NULL,
    sop_class_uid     TEXT    NOT NULL,
    instance_number   TEXT    NOT NULL,
    content_date      TEXT    NOT NULL,
    content_time      TEXT    NOT NULL,
    number_of_frames  TEXT    NOT NULL,
    image_rows        TEXT    NOT NULL,
    image_columns     TEXT    NOT NULL,
    bits_allocated    TEXT    NOT NULL,
    transfer_syntax   TEXT    NOT NULL,
    sha256            BLOB    NOT NULL CHECK (length(sha256) = 32),
    bytes             INTEGER NOT NULL,
    UNIQUE (study, sop_instance_uid)
);
CREATE INDEX dicom_instances_by_series ON dicom_instances (series);
CREATE INDEX dicom_instances_by_uid ON dicom_instances (sop_instance_uid);

-- Unified procedure steps that clients made.
CREATE TABLE workitems (
    uid             TEXT    PRIMARY KEY,
    state           TEXT    NOT NULL CHECK (state IN ('SCHEDULED', 'IN PROGRESS', 'COMPLETED', 'CANCELED')),
    -- The lock of who works on it; told to nobody.
    transaction_uid TEXT,
    created_by      TEXT    NOT NULL,
    claimed_by      TEXT,
    created_at_ms   INTEGER NOT NULL,
    changed_at_ms   INTEGER NOT NULL,
    -- DICOM JSON model; null once it was removed, so that who asks hears that it was there.
    attributes      TEXT
);
CREATE INDEX workitems_by_state ON workitems (state, changed_at_ms);

CREATE TABLE workitem_subscriptions (
    ae_title        TEXT    NOT NULL,
    -- A workitem's UID, or one of the two for the whole worklist.
    target          TEXT    NOT NULL,
    -- Who made it; nobody else changes it or hears by it.
    owner           TEXT    NOT NULL,
    -- Matching keys, DICOM JSON model; for the filtered worklist.
    filter          TEXT,
    deletion_lock   INTEGER NOT NULL CHECK (deletion_lock IN (0, 1)),
    -- 0: this one workitem is not wanted although the worklist is.
    wanted          INTEGER NOT NULL CHECK (wanted IN (0, 1)),
    -- Workitems made later are not followed.
    suspended_at_ms INTEGER,
    PRIMARY KEY (ae_title, target)
);
CREATE INDEX workitem_subscriptions_by_target ON workitem_subscriptions (target);

-- Cases that a person reads, and what is said about them.

CREATE TABLE cases (
    -- Order of arrival on the list.
    number          INTEGER PRIMARY KEY,
    clinic          TEXT    NOT NULL,
    case_id         TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    modality        TEXT    NOT NULL,
    -- Which readers it is for, by its modality.
    kind            TEXT    NOT NULL,
    quality         TEXT    NOT NULL,
    -- Of the newest result: the reasons' words, one a line.
    reasons         TEXT    NOT NULL,
    -- 0 routine, 1 review, 2 critical.
    urgency         INTEGER NOT NULL CHECK (urgency BETWEEN 0 AND 2),
    state           TEXT    NOT NULL CHECK (state IN
        ('waiting', 'claimed', 'drafted', 'images_wanted', 'signed', 'delivered', 'read', 'withdrawn')),
    stage           TEXT    NOT NULL CHECK (stage IN ('first', 'second', 'adjudication')),
    -- 1 county, 2 city, 3 province.
    tier            INTEGER NOT NULL CHECK (tier BETWEEN 1 AND 3),
    floor           INTEGER NOT NULL CHECK (floor BETWEEN 1 AND 3),
    holder          TEXT,
    lease_until_ms  INTEGER,
    offered_to      TEXT,
    offer_until_ms  INTEGER,
    due_ms          INTEGER NOT NULL,
    overdue         INTEGER NOT NULL CHECK (overdue IN (0, 1)),
    second_wanted   INTEGER NOT NULL CHECK (second_wanted IN (0, 1)),
    -- Who gave opinions before, one a line.
    readers         TEXT    NOT NULL,
    change          INTEGER NOT NULL,
    -- The clinic asked for it.
    asked           INTEGER NOT NULL DEFAULT 0 CHECK (asked IN (0, 1)),
    -- Messages of the clinic that no reader has seen.
    unseen          INTEGER NOT NULL DEFAULT 0,
    teaching        INTEGER NOT NULL DEFAULT 0 CHECK (teaching IN (0, 1)),
    detected_at_ms  INTEGER NOT NULL,
    -- When it came onto the list, this time.
    opened_at_ms    INTEGER NOT NULL,
    signed_at_ms    INTEGER,
    -- The next moment at which something lapses; null when nothing does.
    wake_ms         INTEGER,
    UNIQUE (clinic, case_id)
);
-- The list of who reads: what is open, most urgent first, then what is due first.
CREATE INDEX cases_open ON cases (urgency DESC, due_ms, number)
    WHERE state IN ('waiting', 'claimed', 'drafted', 'images_wanted');
CREATE INDEX cases_held ON cases (holder) WHERE holder IS NOT NULL;
CREATE INDEX cases_wake ON cases (wake_ms) WHERE wake_ms IS NOT NULL;
CREATE INDEX cases_undelivered ON cases (number) WHERE state = 'signed';
CREATE INDEX cases_signed ON cases (signed_at_ms) WHERE signed_at_ms IS NOT NULL;

-- How far results were looked at: each one leads to a case, or to none.
CREATE TABLE triage_mark (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL
);
INSERT INTO triage_mark (one, number) VALUES (1, 0);

-- What readers chose for themselves.
CREATE TABLE reader_settings (
    person  TEXT    PRIMARY KEY,
    -- The model's word is hidden until the reader has looked.
    hide_ai INTEGER NOT NULL CHECK (hide_ai IN (0, 1))
);

-- What became of a case, in order.
CREATE TABLE case_events (
    number  INTEGER PRIMARY KEY,
    clinic  TEXT    NOT NULL,
    case_id TEXT    NOT NULL,
    at_ms   INTEGER NOT NULL,
    change  INTEGER NOT NULL,
    event   TEXT    NOT NULL,
    -- The account; null for the hub itself.
    person  TEXT,
    tier    INTEGER NOT NULL,
    note    TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX case_events_by_case ON case_events (clinic, case_id, number);
CREATE INDEX case_events_by_time ON case_events (at_ms);

-- What clinic and readers write each other.
CREATE TABLE case_messages (
    id      TEXT    NOT NULL,
    clinic  TEXT    NOT NULL,
    case_id TEXT    NOT NULL,
    version INTEGER NOT NULL,
    author  TEXT    NOT NULL CHECK (author IN ('clinic', 'expert')),
    -- The account of a reader.
    person  TEXT,
    name    TEXT    NOT NULL,
    subject TEXT    NOT NULL CHECK (subject IN ('note', 'ask_expert', 'want_images')),
    text    TEXT    NOT NULL,
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (clinic, id)
);
CREATE INDEX case_messages_by_case ON case_messages (clinic, case_id, at_ms);

-- The clinic doctors' word on what the model said.
CREATE TABLE clinic_opinions (
    id      TEXT    NOT NULL,
    clinic  TEXT    NOT NULL,
    case_id TEXT    NOT NULL,
    version INTEGER NOT NULL,
    finding TEXT    NOT NULL,
    present INTEGER NOT NULL CHECK (present IN (0, 1)),
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (clinic, id)
);
CREATE INDEX clinic_opinions_by_case ON clinic_opinions (clinic, case_id);

-- Who works when, in minutes of a week from Monday 00:00 at the pages' offset. Without any shift everyone is on duty.
CREATE TABLE shifts (
    id           TEXT    PRIMARY KEY,
    person       TEXT    NOT NULL,
    from_minute  INTEGER NOT NULL CHECK (from_minute BETWEEN 0 AND 10079),
    -- Up to a week after; one may reach into the next week.
    minutes      INTEGER NOT NULL CHECK (minutes BETWEEN 1 AND 10080)
);
CREATE INDEX shifts_by_person ON shifts (person);

CREATE TABLE absences (
    id      TEXT    PRIMARY KEY,
    person  TEXT    NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms   INTEGER NOT NULL
);
CREATE INDEX absences_by_person ON absences (person, to_ms);

-- Groups of readers: a hospital's department, the clinics it reads for. A clinic that no group of a tier names is read by all
-- of that tier.
CREATE TABLE reader_groups (
    id   TEXT    PRIMARY KEY,
    name TEXT    NOT NULL,
    tier INTEGER NOT NULL CHECK (tier BETWEEN 1 AND 3)
);
CREATE TABLE group_members (
    group_id TEXT NOT NULL REFERENCES reader_groups (id) ON DELETE CASCADE,
    person   TEXT NOT NULL,
    PRIMARY KEY (group_id, person)
);
CREATE TABLE group_clinics (
    group_id TEXT NOT NULL REFERENCES reader_groups (id) ON DELETE CASCADE,
    clinic   TEXT NOT NULL,
    PRIMARY KEY (group_id, clinic)
);

-- Critical cases that were not read in time, until whoever must be told has been told.
CREATE TABLE alarms (
    number   INTEGER PRIMARY KEY,
    clinic   TEXT    NOT NULL,
    case_id  TEXT    NOT NULL,
    -- What people call the case.
    called   INTEGER NOT NULL,
    tier     INTEGER NOT NULL,
    held     INTEGER NOT NULL CHECK (held IN (0, 1)),
    at_ms    INTEGER NOT NULL,
    told_at_ms INTEGER
);
CREATE INDEX alarms_untold ON alarms (number) WHERE told_at_ms IS NULL;

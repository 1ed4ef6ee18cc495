-- Cases as workitems of the worklist service.

CREATE TABLE case_workitems (
    uid             TEXT    PRIMARY KEY,
    called          INTEGER NOT NULL UNIQUE REFERENCES cases (number),
    -- As programs were last told of it.
    told_state      TEXT    NOT NULL CHECK (told_state IN ('SCHEDULED', 'IN PROGRESS', 'COMPLETED', 'CANCELED')),
    -- Which program claimed it and the lock it works under, told to nobody. Both count only while the case is that program's.
    program         TEXT,
    transaction_uid TEXT,
    -- How far that program says it is; DICOM JSON model.
    progress        TEXT,
    changed_at_ms   INTEGER NOT NULL,
    CHECK ((program IS NULL) = (transaction_uid IS NULL))
);

-- Cases of which something changed that their workitem shows. Triggers write it, in the transaction of the change itself,
-- whoever makes it.
CREATE TABLE case_workitems_pending (
    called INTEGER PRIMARY KEY
);
CREATE TRIGGER case_workitem_added AFTER INSERT ON cases BEGIN
    INSERT INTO case_workitems_pending (called) VALUES (NEW.number);
END;
CREATE TRIGGER case_workitem_changed
AFTER UPDATE OF state, urgency, tier, version, due_ms, holder ON cases
WHEN OLD.state <> NEW.state OR OLD.urgency <> NEW.urgency OR OLD.tier <> NEW.tier
    OR OLD.version <> NEW.version OR OLD.due_ms <> NEW.due_ms OR OLD.holder IS NOT NEW.holder
BEGIN
    INSERT OR IGNORE INTO case_workitems_pending (called) VALUES (NEW.number);
END;
-- What is there already.
INSERT INTO case_workitems_pending (called) SELECT number FROM cases;

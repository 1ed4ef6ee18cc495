-- REPLACE deletes without a word to the triggers of deletion.
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number) BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever added to');
END;
CREATE TRIGGER audit_heads_are_not_replaced BEFORE INSERT ON audit_heads
WHEN EXISTS (SELECT 1 FROM audit_heads WHERE sequence = NEW.sequence) BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever added to');
END;

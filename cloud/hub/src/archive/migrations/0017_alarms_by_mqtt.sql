-- Alarms that wait to be taken by a listener of MQTT; those before it was asked for do not.
ALTER TABLE alarms ADD COLUMN unpublished INTEGER NOT NULL DEFAULT 0 CHECK (unpublished IN (0, 1));
CREATE INDEX alarms_unpublished ON alarms (number) WHERE unpublished = 1;

-- When the hub was last known to look at its rollouts: time without a hub does not count for a stage.
CREATE TABLE rollouts_alive (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    at_ms INTEGER NOT NULL
);
-- Before this version nobody wrote it down; the last report came to a hub that ran.
INSERT INTO rollouts_alive (id, at_ms) SELECT 1, seen_at_ms FROM boxes ORDER BY seen_at_ms DESC LIMIT 1;

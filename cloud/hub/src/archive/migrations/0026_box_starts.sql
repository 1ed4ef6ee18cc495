-- Starts of boxes that were heard of: a second chain of them is a second box.
CREATE TABLE box_starts (
    clinic TEXT NOT NULL,
    -- The newest has the highest.
    place INTEGER NOT NULL,
    -- 16 random bytes, made by the box.
    start BLOB NOT NULL,
    -- A hash of what its machine says of itself.
    machine BLOB NOT NULL,
    -- The highest number of its sessions.
    session INTEGER NOT NULL,
    -- 1: the box went on from an earlier one.
    left_behind INTEGER NOT NULL CHECK (left_behind IN (0, 1)),
    PRIMARY KEY (clinic, place)
) STRICT, WITHOUT ROWID;

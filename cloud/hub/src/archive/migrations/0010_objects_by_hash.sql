-- Whether any version of a clinic names an object is asked before the object is removed.

CREATE INDEX image_objects_by_hash ON image_objects (clinic, sha256);

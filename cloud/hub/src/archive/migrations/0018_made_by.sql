-- What made a result's images: the scanner's AE title and a pseudonym of who operated it; empty where its box does not say.
ALTER TABLE results ADD COLUMN scanner TEXT NOT NULL DEFAULT '';
ALTER TABLE results ADD COLUMN operator TEXT NOT NULL DEFAULT '';

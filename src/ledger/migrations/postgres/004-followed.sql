-- What a tag that follows releases has followed: the newest release, and whether it means
-- bytes now that were no known release when it was moved there.
ALTER TABLE moving ADD COLUMN follows TEXT COLLATE "C";
ALTER TABLE moving ADD COLUMN unreleased BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX moving_unreleased ON moving (registry, repository, tag) WHERE unreleased;

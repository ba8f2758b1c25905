-- What a tag that follows releases has followed: the newest release, and whether it means
-- bytes now that were no known release when it was moved there.
ALTER TABLE moving ADD COLUMN follows TEXT;
ALTER TABLE moving ADD COLUMN unreleased INTEGER NOT NULL DEFAULT 0 CHECK (unreleased IN (0, 1));
CREATE INDEX moving_unreleased ON moving (registry, repository, tag) WHERE unreleased = 1;

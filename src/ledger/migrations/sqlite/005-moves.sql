-- What a tag that follows releases has followed: the newest release, and whether it means
-- bytes now that were no known release when it was moved there.
ALTER TABLE moving ADD COLUMN follows TEXT;
ALTER TABLE moving ADD COLUMN unreleased INTEGER NOT NULL DEFAULT 0 CHECK (unreleased IN (0, 1));
CREATE INDEX moving_unreleased ON moving (registry, repository, tag) WHERE unreleased = 1;

-- An exception is the one thing that changes what a sealed tag means, and it is written
-- into the log first.
DROP TRIGGER tags_keep_their_digest;
CREATE TRIGGER tags_keep_their_digest BEFORE UPDATE ON tags
WHEN OLD.state = 'sealed' AND (
    NEW.state NOT IN ('sealed', 'burnt', 'lifted')
    OR (NEW.state <> 'sealed' AND NEW.digest <> OLD.digest)
    OR (NEW.state = 'sealed' AND NEW.digest <> OLD.digest AND NOT EXISTS (
        SELECT 1 FROM events AS e
        WHERE e.registry = OLD.registry AND e.repository = OLD.repository AND e.tag = OLD.tag
        AND e.outcome = 'pushed' AND e.points = 1 AND e.digest = NEW.digest AND e.previous = OLD.digest
    ))
)
BEGIN SELECT RAISE(ABORT, 'a sealed tag keeps its digest'); END;

-- What operators changed by hand, in the order in which they did.
CREATE TABLE acts (
    number   INTEGER PRIMARY KEY,
    registry TEXT NOT NULL,
    at       INTEGER NOT NULL,
    who      TEXT NOT NULL,
    what     TEXT NOT NULL,
    reason   TEXT NOT NULL CHECK (reason <> '')
) STRICT;

CREATE TRIGGER acts_never_change BEFORE UPDATE ON acts
BEGIN SELECT RAISE(ABORT, 'an act is written down once'); END;

CREATE TRIGGER acts_are_kept BEFORE DELETE ON acts
BEGIN SELECT RAISE(ABORT, 'an act is never forgotten'); END;

-- Claims are released, and read, in the order of their tags.
DROP INDEX tags_open;
CREATE INDEX tags_open ON tags (registry, repository, tag) WHERE state = 'open';

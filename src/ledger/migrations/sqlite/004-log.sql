-- What happened to tags, in the order in which it was written down. Times are
-- milliseconds since 1970. `points` is 1 where the tag means `digest` from then on, or
-- nothing where that is NULL.
CREATE TABLE events (
    number     INTEGER PRIMARY KEY,
    registry   TEXT NOT NULL,
    at         INTEGER NOT NULL,
    repository TEXT,
    tag        TEXT,
    action     TEXT NOT NULL CHECK (action IN ('push', 'delete', 'adopt', 'look', 'act')),
    outcome    TEXT NOT NULL CHECK (outcome IN ('pushed', 'moved', 'repeated', 'warned', 'refused', 'deleted', 'unknown',
                                                'adopted', 'seen', 'drifted', 'missing', 'repaired', 'acted')),
    points     INTEGER NOT NULL CHECK (points = (outcome IN ('pushed', 'moved', 'warned', 'deleted', 'adopted', 'seen'))),
    digest     TEXT,
    previous   TEXT,
    media_type TEXT,
    size       INTEGER,
    who        TEXT,
    client     TEXT,
    rule       TEXT,
    request    TEXT,
    detail     TEXT
) STRICT;

CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'an event is written down once'); END;

CREATE TRIGGER events_are_kept BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'an event is never forgotten'); END;

-- Each question has its index; see tests/plans.rs of the engine.
CREATE INDEX events_at ON events (registry, at);
CREATE INDEX events_of_repository ON events (registry, repository, at);
CREATE INDEX events_of_tag ON events (registry, repository, tag, at);
CREATE INDEX events_by_outcome ON events (registry, outcome, at);
CREATE INDEX events_of_repository_by_outcome ON events (registry, repository, outcome, at);
CREATE INDEX events_that_point ON events (registry, repository, tag, at) WHERE points = 1;
CREATE INDEX events_to_digest ON events (registry, digest, at) WHERE points = 1;

-- Who claimed a tag, for the event of whoever seals it. Goes with the attempt.
CREATE TABLE notes (
    registry   TEXT NOT NULL,
    repository TEXT NOT NULL,
    tag        TEXT NOT NULL,
    attempt    BLOB NOT NULL CHECK (length(attempt) = 16),
    at         INTEGER NOT NULL,
    media_type TEXT,
    size       INTEGER,
    who        TEXT,
    client     TEXT,
    rule       TEXT,
    request    TEXT,
    detail     TEXT,
    PRIMARY KEY (registry, repository, tag, attempt),
    FOREIGN KEY (registry, repository, tag, attempt) REFERENCES attempts ON UPDATE RESTRICT ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Changes of tags that move: written down before they are sent. A digest of NULL is a
-- delete. One that is told has its event, and only a look at the registry is due.
CREATE TABLE changes (
    registry   TEXT NOT NULL,
    repository TEXT NOT NULL,
    tag        TEXT NOT NULL,
    attempt    BLOB NOT NULL CHECK (length(attempt) = 16),
    digest     TEXT,
    told       INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1)),
    at         INTEGER NOT NULL,
    media_type TEXT,
    size       INTEGER,
    who        TEXT,
    client     TEXT,
    rule       TEXT,
    request    TEXT,
    detail     TEXT,
    PRIMARY KEY (registry, repository, tag, attempt)
) STRICT, WITHOUT ROWID;

-- How often what the log says of a tag that moves was written down: a look at the registry
-- that is older is not written.
CREATE TABLE moving (
    registry   TEXT NOT NULL,
    repository TEXT NOT NULL,
    tag        TEXT NOT NULL,
    version    INTEGER NOT NULL,
    PRIMARY KEY (registry, repository, tag)
) STRICT, WITHOUT ROWID;

-- The tree over the events of every registry (RFC 6962): leaves at level 0, in the order
-- of their numbers and without gaps; above, the root of each whole subtree of 256, 65,536
-- and so on.
CREATE TABLE tree (
    level  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hash   BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER tree_never_changes BEFORE UPDATE ON tree
BEGIN SELECT RAISE(ABORT, 'a hash is written down once'); END;

CREATE TRIGGER tree_is_kept BEFORE DELETE ON tree
BEGIN SELECT RAISE(ABORT, 'a hash is never forgotten'); END;

-- How far the log was handed on, under each name, and who is at it.
CREATE TABLE turns (
    name     TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    holder   BLOB CHECK (holder IS NULL OR length(holder) = 16),
    until    INTEGER
) STRICT, WITHOUT ROWID;

-- What the ledger knew before there was a log.
INSERT INTO events (registry, at, repository, tag, action, outcome, points, digest, previous, detail)
SELECT registry, changed_at, repository, tag,
       CASE WHEN state = 'burnt' THEN 'delete' WHEN origin = 'adopted' THEN 'adopt' ELSE 'push' END,
       CASE WHEN state = 'burnt' THEN 'deleted' WHEN origin = 'adopted' THEN 'adopted' ELSE 'pushed' END,
       1,
       CASE WHEN state = 'burnt' THEN NULL ELSE digest END,
       CASE WHEN state = 'burnt' THEN digest END,
       'entered when the release log began'
FROM tags WHERE state IN ('sealed', 'burnt')
ORDER BY changed_at, registry, repository, tag;
INSERT INTO events (registry, at, action, outcome, points, who, detail)
SELECT registry, at, 'act', 'acted', 0, who, what || ': ' || reason FROM acts ORDER BY number;

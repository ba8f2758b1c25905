-- "push" in ASCII; `recognise` in sqlite/open.rs refuses a database without it.
PRAGMA application_id = 1886745448;

-- What a tag of a registry means. Times are milliseconds since 1970.
CREATE TABLE tags (
    registry   TEXT NOT NULL,
    repository TEXT NOT NULL,
    tag        TEXT NOT NULL,
    digest     TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('open', 'sealed', 'burnt', 'lifted')),
    origin     TEXT NOT NULL CHECK (origin IN ('pushed', 'adopted')),
    claimed_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (registry, repository, tag)
) STRICT, WITHOUT ROWID;

-- Counting open claims must not read every tag; few rows are open at a time.
CREATE INDEX tags_open ON tags (registry) WHERE state = 'open';

-- Who is about to point an open tag. A claim is free again when all withdrew.
CREATE TABLE attempts (
    registry   TEXT NOT NULL,
    repository TEXT NOT NULL,
    tag        TEXT NOT NULL,
    attempt    BLOB NOT NULL CHECK (length(attempt) = 16),
    opened_at  INTEGER NOT NULL,
    PRIMARY KEY (registry, repository, tag, attempt),
    FOREIGN KEY (registry, repository, tag) REFERENCES tags ON UPDATE RESTRICT ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;

-- One row that a ping changes: proof of a durable write that adds no row.
CREATE TABLE heartbeat (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    beats INTEGER NOT NULL
) STRICT;
INSERT INTO heartbeat (id, beats) VALUES (1, 0);

-- What may never change is refused by the database itself, so that neither a
-- mistake in the program nor a careless hand rewrites what a tag means.

CREATE TRIGGER tags_begin_open_or_sealed BEFORE INSERT ON tags
WHEN NEW.state NOT IN ('open', 'sealed')
BEGIN SELECT RAISE(ABORT, 'a tag begins as open or sealed'); END;

CREATE TRIGGER tags_keep_their_key BEFORE UPDATE ON tags
WHEN NEW.registry <> OLD.registry OR NEW.repository <> OLD.repository OR NEW.tag <> OLD.tag
BEGIN SELECT RAISE(ABORT, 'a row never changes the tag it speaks of'); END;

CREATE TRIGGER tags_stay_burnt BEFORE UPDATE ON tags
WHEN OLD.state = 'burnt'
BEGIN SELECT RAISE(ABORT, 'a burnt tag stays burnt'); END;

CREATE TRIGGER tags_keep_their_digest BEFORE UPDATE ON tags
WHEN OLD.state = 'sealed' AND (NEW.digest <> OLD.digest OR NEW.state NOT IN ('burnt', 'lifted'))
BEGIN SELECT RAISE(ABORT, 'a sealed tag keeps its digest'); END;

-- `yield_to` is the one change of an open claim's digest.
CREATE TRIGGER tags_yield_only_when_sealed BEFORE UPDATE ON tags
WHEN OLD.state = 'open' AND NEW.digest <> OLD.digest AND NEW.state <> 'sealed'
BEGIN SELECT RAISE(ABORT, 'an open claim changes its digest only when it is sealed'); END;

-- A lifted row binds nobody, so no trigger guards its digest: a claim or an
-- adoption starts it afresh. It can go nowhere else.
CREATE TRIGGER tags_start_afresh BEFORE UPDATE ON tags
WHEN OLD.state = 'lifted' AND NEW.state NOT IN ('open', 'sealed')
BEGIN SELECT RAISE(ABORT, 'a lifted tag can only be claimed or adopted'); END;

CREATE TRIGGER tags_are_kept BEFORE DELETE ON tags
WHEN OLD.state <> 'open'
BEGIN SELECT RAISE(ABORT, 'only an open claim can be withdrawn'); END;

CREATE TRIGGER attempts_need_an_open_tag BEFORE INSERT ON attempts
WHEN NOT EXISTS (
    SELECT 1 FROM tags AS t
    WHERE t.registry = NEW.registry AND t.repository = NEW.repository AND t.tag = NEW.tag AND t.state = 'open'
)
BEGIN SELECT RAISE(ABORT, 'only an open claim has attempts'); END;

CREATE TRIGGER attempts_never_change BEFORE UPDATE ON attempts
BEGIN SELECT RAISE(ABORT, 'an attempt begins and ends, and never changes'); END;

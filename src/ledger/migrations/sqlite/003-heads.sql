-- How often this ledger was changed, and a mark that nobody can guess for each of
-- these states. The mark at 0 names the ledger. The newest thousand are kept, and
-- every thousandth for good, so that an old witness can still be compared.
CREATE TABLE heads (
    number INTEGER PRIMARY KEY,
    mark   BLOB NOT NULL CHECK (length(mark) = 32)
) STRICT;
INSERT INTO heads (number, mark) VALUES (0, randomblob(32));

CREATE TRIGGER heads_never_change BEFORE UPDATE ON heads
BEGIN SELECT RAISE(ABORT, 'a head is written down once'); END;

CREATE TRIGGER milestones_are_kept BEFORE DELETE ON heads
WHEN OLD.number % 1000 = 0
BEGIN SELECT RAISE(ABORT, 'every thousandth head is kept'); END;

-- The registries that this ledger may speak of.
CREATE TABLE registries (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO registries (name) SELECT DISTINCT registry FROM tags UNION SELECT DISTINCT registry FROM acts;

-- What a tag that follows releases has followed: the newest release, and whether it means
-- bytes now that were no known release when it was moved there.
ALTER TABLE moving ADD COLUMN follows TEXT COLLATE "C";
ALTER TABLE moving ADD COLUMN unreleased BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX moving_unreleased ON moving (registry, repository, tag) WHERE unreleased;

-- An exception is the one thing that changes what a sealed tag means, and it is written
-- into the log first.
CREATE OR REPLACE FUNCTION pushonce_guard_tags() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state NOT IN ('open', 'sealed') THEN
            RAISE EXCEPTION 'a tag begins as open or sealed';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' THEN
        IF OLD.state <> 'open' THEN
            RAISE EXCEPTION 'only an open claim can be withdrawn';
        END IF;
        RETURN OLD;
    END IF;
    IF NEW.registry <> OLD.registry OR NEW.repository <> OLD.repository OR NEW.tag <> OLD.tag THEN
        RAISE EXCEPTION 'a row never changes the tag it speaks of';
    END IF;
    IF OLD.state = 'burnt' THEN
        RAISE EXCEPTION 'a burnt tag stays burnt';
    END IF;
    IF OLD.state = 'sealed' AND NEW.state NOT IN ('sealed', 'burnt', 'lifted') THEN
        RAISE EXCEPTION 'a sealed tag keeps its digest';
    END IF;
    IF OLD.state = 'sealed' AND NEW.digest <> OLD.digest AND (NEW.state <> 'sealed' OR NOT EXISTS (
        SELECT 1 FROM events AS e
        WHERE e.registry = OLD.registry AND e.repository = OLD.repository AND e.tag = OLD.tag
        AND e.outcome = 'pushed' AND e.points AND e.digest = NEW.digest AND e.previous = OLD.digest
    )) THEN
        RAISE EXCEPTION 'a sealed tag keeps its digest';
    END IF;
    -- To yield to what the registry had is the one change of an open claim's digest.
    IF OLD.state = 'open' AND NEW.digest <> OLD.digest AND NEW.state <> 'sealed' THEN
        RAISE EXCEPTION 'an open claim changes its digest only when it is sealed';
    END IF;
    -- A lifted row binds nobody, so its digest is not guarded: a claim or an
    -- adoption starts it afresh. It can go nowhere else.
    IF OLD.state = 'lifted' AND NEW.state NOT IN ('open', 'sealed') THEN
        RAISE EXCEPTION 'a lifted tag can only be claimed or adopted';
    END IF;
    RETURN NEW;
END
$guard$;

-- How often this ledger was seen to be changed, and a mark that nobody can guess
-- for each of these states. The mark at 0 names the ledger. The newest thousand are
-- kept, and every thousandth for good, so that an old witness can be compared.
CREATE TABLE heads (
    number BIGINT PRIMARY KEY,
    mark   BYTEA NOT NULL CONSTRAINT heads_have_a_mark CHECK (length(mark) = 32)
);
INSERT INTO heads (number, mark)
VALUES (0, decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

CREATE FUNCTION pushonce_guard_heads() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'a head is written down once';
    END IF;
    IF OLD.number % 1000 = 0 THEN
        RAISE EXCEPTION 'every thousandth head is kept';
    END IF;
    RETURN OLD;
END
$guard$;

CREATE TRIGGER heads_are_guarded BEFORE UPDATE OR DELETE ON heads
FOR EACH ROW EXECUTE FUNCTION pushonce_guard_heads();

CREATE TRIGGER heads_are_kept BEFORE TRUNCATE ON heads
FOR EACH STATEMENT EXECUTE FUNCTION pushonce_guard_truncate();

-- The registries that this ledger may speak of.
CREATE TABLE registries (
    name TEXT COLLATE "C" PRIMARY KEY
);
INSERT INTO registries (name) SELECT DISTINCT registry FROM tags;

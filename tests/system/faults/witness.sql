-- The check's own knowledge of the database: notes that triggers take. They are written in the transactions that they
-- are about, so they are as true as the rows.
CREATE SCHEMA witness;

-- Every file row that was ever committed; forgotten_at when it was deleted.
CREATE TABLE witness.file (
    file_id bigint PRIMARY KEY,
    package_id bigint NOT NULL,
    storage_key text NOT NULL UNIQUE,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    forgotten_at timestamptz
);
CREATE INDEX ON witness.file (package_id);
CREATE INDEX ON witness.file (forgotten_at);
CREATE INDEX ON witness.file (made_at);

CREATE FUNCTION witness.note_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO witness.file (file_id, package_id, storage_key) SELECT id, package_id, storage_key FROM made;
    RETURN NULL;
END
$$;
CREATE TRIGGER witness_made AFTER INSERT ON package_file REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION witness.note_made();

CREATE FUNCTION witness.note_forgotten() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE witness.file w SET forgotten_at = clock_timestamp() FROM gone WHERE w.file_id = gone.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER witness_forgotten AFTER DELETE ON package_file REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION witness.note_forgotten();

-- Every lease that lapsed, and when somebody, its old holder or another, took the deletion in hand again.
CREATE TABLE witness.lapse (
    deletion_id uuid NOT NULL,
    lapsed_at timestamptz NOT NULL,
    taken_at timestamptz NOT NULL,
    by_another boolean NOT NULL
);

CREATE FUNCTION witness.note_lapse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'destroying' AND OLD.lease_until < clock_timestamp() AND NEW.lease_until IS DISTINCT FROM OLD.lease_until THEN
        INSERT INTO witness.lapse VALUES (OLD.id, OLD.lease_until, clock_timestamp(), NEW.claim IS DISTINCT FROM OLD.claim);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER witness_lapse AFTER UPDATE ON deletion FOR EACH ROW EXECUTE FUNCTION witness.note_lapse();

-- When the broker had confirmed events up to that number, and when it took one that it had refused before.
CREATE TABLE witness.publication (
    sequence bigint NOT NULL,
    alone boolean NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX ON witness.publication (alone, sequence, at);

CREATE FUNCTION witness.note_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO witness.publication VALUES (OLD.sequence, true);
    ELSE
        INSERT INTO witness.publication VALUES (NEW.published, false);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER witness_published AFTER UPDATE ON event_cursor
    FOR EACH ROW WHEN (NEW.published > OLD.published) EXECUTE FUNCTION witness.note_published();
CREATE TRIGGER witness_taken AFTER DELETE ON event_refused
    FOR EACH ROW EXECUTE FUNCTION witness.note_published();

CREATE TABLE witness.refusal (sequence bigint PRIMARY KEY);
CREATE FUNCTION witness.note_refused() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO witness.refusal VALUES (NEW.sequence) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER witness_refused AFTER INSERT ON event_refused FOR EACH ROW EXECUTE FUNCTION witness.note_refused();

-- Every event, numbered or not, with when the broker had it.
CREATE VIEW witness.event AS
SELECT (e.body->>'id')::uuid AS id, e.sequence, e.body,
       CASE WHEN r.sequence IS NULL
            THEN (SELECT p.at FROM witness.publication p WHERE NOT p.alone AND p.sequence >= e.sequence
                   ORDER BY p.sequence, p.at LIMIT 1)
            ELSE (SELECT max(p.at) FROM witness.publication p WHERE p.alone AND p.sequence = e.sequence)
       END AS published_at
  FROM (SELECT sequence, body::jsonb AS body FROM event_log
        UNION ALL SELECT NULL, body FROM outbox WHERE kind = 'event') e
  LEFT JOIN witness.refusal r ON r.sequence = e.sequence;

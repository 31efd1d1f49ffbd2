-- The log of events: append-only, a partition for each day, in the order of the numbers.
-- An event is written to the outbox with its fact. Numbering moves it here, complete as subscribers get it. The release
-- before numbers events in the outbox, from the same counter (instance.sequence), and works on beside these tables.

-- type is <entity>.<action>. headers are the attributes of the CloudEvent, in the order that the code asks for.
CREATE TABLE event_log (
    sequence bigint NOT NULL,
    day date NOT NULL,
    type text NOT NULL,
    package_type text,
    project_id bigint,
    routing_key text NOT NULL,
    recorded_at timestamptz NOT NULL,
    headers text[] NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (sequence, day)
) PARTITION BY RANGE (day);

-- The first number of each day that has events; so a reader finds the partition where it begins.
CREATE TABLE event_day (
    day date PRIMARY KEY,
    first bigint NOT NULL
);

-- One row. The broker has every event up to `published`, or event_refused has it. From `oldest` on the log has no gap:
-- a relay of the release before numbers events that never come into the log.
CREATE TABLE event_cursor (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    published bigint NOT NULL,
    oldest bigint NOT NULL
);
INSERT INTO event_cursor (published, oldest) SELECT sequence, sequence + 1 FROM instance;

-- Events that the broker did not take: copies, so that they outlive the partition that they come from.
CREATE TABLE event_refused (
    sequence bigint PRIMARY KEY,
    routing_key text NOT NULL,
    recorded_at timestamptz NOT NULL,
    headers text[] NOT NULL,
    body text NOT NULL,
    refusals integer NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX event_refused_due ON event_refused (not_before);

-- Events leave the outbox soon, so it should be cleaned long before a fifth of it is dead.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

-- Only the owner may change the schema, so these two functions are all that relay and scheduler can do to it.
-- Attaching a table that exists locks out neither readers nor writers; CREATE TABLE … PARTITION OF would.
CREATE FUNCTION make_event_days(ahead integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    wanted date;
    partition text;
BEGIN
    PERFORM pg_advisory_xact_lock(7223117002);
    FOR wanted IN SELECT generate_series(today, today + least(ahead, 31), interval '1 day')::date LOOP
        partition := 'event_log_' || to_char(wanted, 'YYYYMMDD');
        IF to_regclass(partition) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE event_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition);
            EXECUTE format('ALTER TABLE event_log ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           partition, wanted, wanted + 1);
        END IF;
    END LOOP;
END
$$;

-- Drops the days before that one, the oldest first, and returns how many. It stops at a day of which an event still
-- has to be published, and where a reader keeps the lock: another call comes soon.
CREATE FUNCTION drop_event_days(before date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    partition text;
    its_day date;
    dropped integer := 0;
BEGIN
    FOR partition IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'event_log'::regclass AND c.relname < 'event_log_' || to_char(before, 'YYYYMMDD')
         ORDER BY c.relname
    LOOP
        its_day := to_date(right(partition, 8), 'YYYYMMDD');
        EXIT WHEN (SELECT published FROM event_cursor) <
            coalesce((SELECT min(first) - 1 FROM event_day WHERE day > its_day), (SELECT sequence FROM instance));
        BEGIN
            EXECUTE format('DROP TABLE %I', partition);
        EXCEPTION WHEN lock_not_available THEN
            EXIT;
        END;
        DELETE FROM event_day WHERE day = its_day;
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

REVOKE EXECUTE ON FUNCTION make_event_days(integer), drop_event_days(date) FROM PUBLIC;

SELECT make_event_days(3);

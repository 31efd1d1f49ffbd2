-- Pages show how storage grew, what the last check found, and how long the queues are. A proxy may vouch for a user.
--
-- The state at the end of a day is the state now without the changes of all later days.
-- Only the relay is connected to the broker, so it writes the report about the queues and the API shows it.
-- The scheduler must not read sessions. So it removes old ones by a function that runs with the rights of its owner.

-- step: how the figures of projects changed on each day (UTC)
CREATE TABLE IF NOT EXISTS package_statistic_day (
    day date NOT NULL,
    project_id bigint NOT NULL,
    packages bigint NOT NULL,
    logical_bytes bigint NOT NULL,
    physical_bytes bigint NOT NULL,
    freed_bytes bigint NOT NULL,
    PRIMARY KEY (project_id, day)
);

-- step: the days of all projects
CREATE INDEX IF NOT EXISTS package_statistic_day_day ON package_statistic_day (day);

-- step: the report of the last check, with its figures and its first findings
ALTER TABLE storage_check ADD COLUMN IF NOT EXISTS report jsonb;

-- step: one row with what the active relay knows about the queues
CREATE TABLE IF NOT EXISTS queue_report (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    reported_at timestamptz,
    queues jsonb NOT NULL DEFAULT '[]'
);
INSERT INTO queue_report DEFAULT VALUES ON CONFLICT DO NOTHING;

-- step: sessions without a token
-- A proxy that authenticates opens them. The release before joins each session with its token, and so ignores them.
ALTER TABLE web_session ALTER COLUMN token_id DROP NOT NULL;

-- step: sessions by their last use
CREATE INDEX IF NOT EXISTS web_session_last_use ON web_session (last_used_at);

-- step: sessions by their age
CREATE INDEX IF NOT EXISTS web_session_age ON web_session (created_at);

-- step: how the scheduler removes sessions that have ended
CREATE OR REPLACE FUNCTION prune_web_sessions(idle interval, longest interval, most integer) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH pruned AS (
        DELETE FROM web_session WHERE digest = ANY(ARRAY(
            SELECT digest FROM web_session
             WHERE last_used_at <= now() - idle OR created_at <= now() - longest
             LIMIT most FOR UPDATE SKIP LOCKED))
        RETURNING 1
    )
    SELECT count(*)::integer FROM pruned;
$$;
REVOKE EXECUTE ON FUNCTION prune_web_sessions(interval, interval, integer) FROM PUBLIC;

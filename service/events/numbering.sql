-- name: plan_for_the_size_of_now!
-- An idle relay would keep the plan for an empty outbox, which reads the whole outbox for each event of a batch.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: number_events
-- Moves events from the outbox to the log, and numbers them on the way. A reader of the log sees an event only with its
-- number. So an event of a transaction that commits late cannot appear behind a reader. Counter and rows change in one
-- statement, so a rollback takes the numbers back: no gap. Each batch locks the row of the counter. If two relays are
-- ever active, the second one numbers after the first.
WITH taken AS (
    DELETE FROM outbox WHERE position = ANY(ARRAY(
        SELECT position FROM outbox WHERE published_at IS NULL AND kind = 'event' AND sequence IS NULL
         ORDER BY position LIMIT :limit FOR UPDATE))
 RETURNING position, routing_key, recorded_at, body
), counter AS (
    UPDATE instance SET sequence = sequence + (SELECT count(*) FROM taken)
     WHERE EXISTS (SELECT FROM taken)
 RETURNING '/instances/' || id || '/packages-api' AS source, sequence AS last,
           sequence - (SELECT count(*) FROM taken) AS before,
           greatest((clock_timestamp() AT TIME ZONE 'UTC')::date, (SELECT max(day) FROM event_day)) AS day
), begun AS (
    INSERT INTO event_day (day, first) SELECT day, before + 1 FROM counter ON CONFLICT (day) DO NOTHING
), numbered AS (
    SELECT c.before + row_number() OVER (ORDER BY t.position) AS sequence, c.day, c.source,
           t.routing_key, t.recorded_at, t.body
      FROM taken t CROSS JOIN counter c
), logged AS (
    INSERT INTO event_log (sequence, day, type, package_type, project_id, routing_key, recorded_at, headers, body)
    SELECT n.sequence, n.day, split_part(n.routing_key, '.', 1) || '.' || split_part(n.routing_key, '.', 2),
           n.body->'data'->>'package_type', (n.body->'data'->>'project_id')::bigint, n.routing_key, n.recorded_at,
           ARRAY(SELECT whole.body->>name FROM unnest(:headers::text[]) WITH ORDINALITY AS h (name, place)
                  ORDER BY place),
           whole.body::text
      FROM numbered n CROSS JOIN LATERAL (SELECT n.body || jsonb_build_object(
               'source', n.source, 'sequence', lpad(n.sequence::text, :digits::int, '0'), 'aggversion', n.sequence
           ) AS body OFFSET 0) AS whole
     ORDER BY n.sequence
)
SELECT last - before AS events, pg_notify('packyard_events', last::text) FROM counter;

-- name: adopt_numbered_events!
-- The release before numbers events where they are, and marks them there when they are published. Those that it did not
-- mark are sent as refused ones are; some of them a second time.
WITH left_over AS (
    DELETE FROM outbox WHERE position = ANY(ARRAY(
        SELECT position FROM outbox WHERE published_at IS NULL AND kind = 'event' AND sequence IS NOT NULL
         ORDER BY position LIMIT :limit FOR UPDATE))
 RETURNING sequence, routing_key, recorded_at, refusals, not_before, body
)
INSERT INTO event_refused (sequence, routing_key, recorded_at, refusals, not_before, headers, body)
SELECT l.sequence, l.routing_key, l.recorded_at, l.refusals, l.not_before,
       ARRAY(SELECT whole.body->>name FROM unnest(:headers::text[]) WITH ORDINALITY AS h (name, place) ORDER BY place),
       whole.body::text
  FROM left_over l CROSS JOIN instance i CROSS JOIN LATERAL (SELECT l.body || jsonb_build_object(
           'source', '/instances/' || i.id || '/packages-api', 'sequence', lpad(l.sequence::text, :digits::int, '0'),
           'aggversion', l.sequence
       ) AS body OFFSET 0) AS whole
    ON CONFLICT (sequence) DO NOTHING;

-- name: begin_log_after_gap!
-- Where the release before has numbered events after the newest of the log, the log has a gap, and begins behind it.
UPDATE event_cursor SET oldest = i.sequence + 1
  FROM instance i WHERE i.sequence > coalesce((SELECT max(sequence) FROM event_log), 0);

-- name: unpublished_events
-- The day of the cursor leaves out the partitions before it.
SELECT sequence, routing_key, headers, body
  FROM event_log
 WHERE sequence > (SELECT published FROM event_cursor)
   AND day >= (SELECT coalesce(max(d.day), '-infinity') FROM event_day d, event_cursor c WHERE d.first <= c.published + 1)
 ORDER BY sequence LIMIT :limit;

-- name: advance_published!
-- An event that the broker did not take becomes a row of its own, so that it holds up nothing behind it.
WITH refused AS (
    INSERT INTO event_refused (sequence, routing_key, recorded_at, headers, body, not_before)
    SELECT sequence, routing_key, recorded_at, headers, body, now() + interval '1 second'
      FROM event_log WHERE sequence = ANY(:refused::bigint[])
        ON CONFLICT (sequence) DO NOTHING
)
UPDATE event_cursor SET published = greatest(published, :published::bigint);

-- name: refused_events
SELECT sequence, routing_key, headers, body
  FROM event_refused WHERE not_before <= now() ORDER BY sequence LIMIT :limit;

-- name: forget_refused!
DELETE FROM event_refused WHERE sequence = ANY(:sequences::bigint[]);

-- name: put_off!
-- The pause grows each time, up to a minute.
UPDATE event_refused SET refusals = refusals + 1,
       not_before = now() + least(interval '1 second' * power(2, least(refusals + 1, 10)), interval '1 minute')
 WHERE sequence = ANY(:sequences::bigint[]);

-- name: begin_of_replay
-- The number before the first event that was recorded at that moment or later. An event is in the partition of the day
-- on which it was numbered, never an earlier one.
SELECT coalesce(min(sequence) - 1, (SELECT sequence FROM instance)) AS after
  FROM event_log
 WHERE recorded_at >= :since AND day >= (:since::timestamptz AT TIME ZONE 'UTC')::date;

-- name: events_to_replay
SELECT sequence, routing_key, headers, body
  FROM event_log
 WHERE sequence > :after AND sequence <= :until
   AND day >= (SELECT coalesce(max(day), '-infinity') FROM event_day WHERE first <= :after::bigint + 1)
 ORDER BY sequence LIMIT :limit;

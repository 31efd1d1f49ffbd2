-- name: append_to_outbox!
INSERT INTO outbox (id, kind, routing_key, body)
SELECT * FROM unnest(:ids::uuid[], :kinds::text[], :routing_keys::text[], :bodies::jsonb[]);

-- name: unpublished_commands
SELECT position, id, kind, routing_key, body, NULL::bigint AS sequence
  FROM outbox WHERE published_at IS NULL AND kind = 'command' AND not_before <= now() ORDER BY position LIMIT :limit;

-- name: number_events
-- Only the one active relay numbers. An event keeps the number that it was given, so that sending it again
-- cannot change it.
WITH batch AS (
    SELECT position, id, kind, routing_key, body, sequence
      FROM outbox WHERE published_at IS NULL AND kind = 'event' AND not_before <= now() ORDER BY position LIMIT :limit
), unnumbered AS (
    SELECT position, row_number() OVER (ORDER BY position) AS place FROM batch WHERE sequence IS NULL
), counter AS (
    UPDATE instance SET sequence = sequence + (SELECT count(*) FROM unnumbered)
     WHERE EXISTS (SELECT FROM unnumbered)
 RETURNING sequence - (SELECT count(*) FROM unnumbered) AS before
), numbered AS (
    UPDATE outbox o SET sequence = counter.before + u.place
      FROM unnumbered u, counter WHERE o.position = u.position
 RETURNING o.position, o.sequence
)
SELECT b.position, b.id, b.kind, b.routing_key, b.body, coalesce(n.sequence, b.sequence) AS sequence
  FROM batch b LEFT JOIN numbered n ON n.position = b.position
 ORDER BY b.position;

-- name: lock_instance
SELECT id FROM instance FOR UPDATE;

-- name: instance_id
SELECT id FROM instance;

-- name: put_off!
UPDATE outbox SET refusals = refusals + 1,
       not_before = now() + least(interval '1 second' * power(2, least(refusals, 10)), interval '1 minute')
 WHERE position = ANY(:positions::bigint[]);

-- name: mark_published!
UPDATE outbox SET published_at = now() WHERE position = ANY(:positions::bigint[]);

-- name: outbox_is_behind
SELECT 1 FROM outbox
 WHERE published_at IS NULL AND kind = 'command' AND recorded_at < now() - :limit::interval LIMIT 1;

-- name: prune_outbox!
DELETE FROM outbox WHERE position IN (
    SELECT position FROM outbox WHERE published_at < now() - :older_than::interval LIMIT :limit);

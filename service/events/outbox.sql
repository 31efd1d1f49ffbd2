-- name: append_to_outbox!
INSERT INTO outbox (id, kind, routing_key, body)
SELECT * FROM unnest(:ids::uuid[], :kinds::text[], :routing_keys::text[], :bodies::jsonb[]);

-- name: unpublished_commands
SELECT position, id, routing_key, body
  FROM outbox WHERE published_at IS NULL AND kind = 'command' ORDER BY position LIMIT :limit;

-- name: mark_published!
UPDATE outbox SET published_at = now() WHERE position = ANY(:positions::bigint[]);

-- name: outbox_is_behind
SELECT 1 FROM outbox
 WHERE published_at IS NULL AND kind = 'command' AND recorded_at < now() - :limit::interval LIMIT 1;

-- name: prune_outbox!
-- These are commands, and the events that the release before has published from here.
DELETE FROM outbox WHERE position = ANY(ARRAY(
    SELECT position FROM outbox WHERE published_at < now() - :older_than::interval LIMIT :limit));

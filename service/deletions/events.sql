-- name: announce_deletions!
-- Writes the events of these deletions, whose rows are as they are in this transaction.
INSERT INTO outbox (id, kind, routing_key, body)
SELECT w.event_id, 'event', concat_ws('.', w.topic, d.package_type, d.root_group_id, d.project_id),
       deletion_event(d, w.topic, w.event_id, :moment::text, w.files, w.bytes, w.more)
  FROM unnest(:event_ids::uuid[], :deletion_ids::uuid[], :topics::text[], :files::bigint[], :bytes::bigint[],
              :more::jsonb[]) WITH ORDINALITY AS w (event_id, deletion_id, topic, files, bytes, more, place)
  JOIN deletion d ON d.id = w.deletion_id
 ORDER BY w.place;

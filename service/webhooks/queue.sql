-- name: scan_events
-- Notes the newest event at each webhook that wants it. One that has nothing to do skips to right before the first.
-- The scan's row is locked, so a second process that scans finds nothing to do.
WITH place AS (
    SELECT s.scanned, least(s.scanned + :limit::bigint, i.sequence) AS until
      FROM webhook_scan s CROSS JOIN instance i WHERE i.sequence > s.scanned FOR UPDATE OF s SKIP LOCKED
), found AS (
    SELECT e.project_id, e.type, min(e.sequence) AS first, max(e.sequence) AS last
      FROM event_log e CROSS JOIN place
     WHERE e.sequence > place.scanned AND e.sequence <= place.until
       AND e.day >= (SELECT coalesce(max(d.day), '-infinity') FROM event_day d, webhook_scan s WHERE d.first <= s.scanned + 1)
       AND e.project_id IS NOT NULL AND split_part(e.type, '.', 1) IN ('package', 'package_file')
     GROUP BY e.project_id, e.type
), placed AS (
    SELECT f.project_id, g.ancestry, f.type, f.first, f.last
      FROM found f
      JOIN project p ON p.id = f.project_id AND p.packages_enabled
      JOIN directory_group g ON g.id = p.group_id
), in_groups AS (
    SELECT a.group_id, p.type, min(p.first) AS first, max(p.last) AS last
      FROM placed p CROSS JOIN unnest(p.ancestry) AS a (group_id) GROUP BY a.group_id, p.type
), wanted AS (
    -- The lists keep to the indexes: a join alone may read all webhooks, however many of them are idle.
    SELECT w.id, min(w.first) AS first, max(w.last) AS last
      FROM (SELECT w.id, w.types, p.type, p.first, p.last
              FROM placed p JOIN webhook w ON w.project_id = p.project_id
             WHERE w.package_events AND w.project_id = ANY(ARRAY(SELECT project_id FROM placed))
             UNION ALL
            SELECT w.id, w.types, g.type, g.first, g.last
              FROM in_groups g JOIN webhook w ON w.group_id = g.group_id
             WHERE w.package_events AND w.group_id = ANY(ARRAY(SELECT group_id FROM in_groups))) AS w
     WHERE w.types IS NULL OR w.type = ANY(w.types)
     GROUP BY w.id
), noted AS (
    UPDATE webhook w
       SET wanted = greatest(w.wanted, n.last),
           position = CASE WHEN w.wanted > w.position THEN w.position ELSE greatest(w.position, n.first - 1) END,
           deliver_at = CASE WHEN w.disabled_at IS NULL THEN least(w.deliver_at, greatest(w.not_before, now()))
                             ELSE w.deliver_at END
      FROM wanted n
     WHERE w.id = n.id AND w.id = ANY(ARRAY(SELECT id FROM wanted)) AND n.last > w.position
), moved AS (
    UPDATE webhook_scan s SET scanned = place.until FROM place
)
SELECT until - scanned AS events FROM place;

-- name: claim_webhooks
-- Webhooks that fail get a part of the places only, so that receivers that hang keep no other from theirs.
WITH healthy AS (
    SELECT id, deliver_at FROM webhook
     WHERE deliver_at <= now() AND (lease_until IS NULL OR lease_until < now()) AND failing_since IS NULL
     ORDER BY deliver_at LIMIT :limit FOR UPDATE SKIP LOCKED
), failing AS (
    SELECT id, deliver_at FROM webhook
     WHERE deliver_at <= now() AND (lease_until IS NULL OR lease_until < now()) AND failing_since IS NOT NULL
     ORDER BY deliver_at LIMIT :most_failing FOR UPDATE SKIP LOCKED
), due AS (
    SELECT id FROM (SELECT * FROM healthy UNION ALL SELECT * FROM failing) AS u ORDER BY deliver_at LIMIT :limit
)
UPDATE webhook w SET lease_token = :token, lease_until = now() + :lease::interval
  FROM due WHERE w.id = due.id
RETURNING webhook(w.*);

-- name: webhook_events
SELECT e.sequence, e.headers[:id_place::int]::uuid AS event_id, e.type, e.body
  FROM event_log e
 WHERE e.sequence > :after AND e.sequence <= :until
   AND e.day >= (SELECT coalesce(max(d.day), '-infinity') FROM event_day d WHERE d.first <= :after::bigint + 1)
   AND split_part(e.type, '.', 1) IN ('package', 'package_file')
   AND (:types::text[] IS NULL OR e.type = ANY(:types))
   AND (e.project_id = :project_id::bigint OR :project_id::bigint IS NULL)
   AND EXISTS (SELECT FROM project p JOIN directory_group g ON g.id = p.group_id
                WHERE p.id = e.project_id AND p.packages_enabled
                  AND (:group_id::bigint IS NULL OR g.ancestry @> ARRAY[:group_id::bigint]))
 ORDER BY e.sequence LIMIT :limit;

-- name: note_progress
UPDATE webhook
   SET position = greatest(position, :position), lease_until = now() + :lease::interval,
       failing_since = CASE WHEN :has_delivered::boolean THEN NULL ELSE failing_since END,
       failures = CASE WHEN :has_delivered::boolean THEN 0 ELSE failures END,
       last_delivered_at = CASE WHEN :has_delivered::boolean THEN now() ELSE last_delivered_at END
 WHERE id = :id AND lease_token = :token
RETURNING wanted;

-- name: note_webhook_failure
UPDATE webhook w
   SET failures = w.failures + 1, failing_since = coalesce(w.failing_since, now()),
       not_before = greatest(w.not_before, now() + :pause::interval)
 WHERE w.id = :id AND w.lease_token = :token
RETURNING webhook(w.*);

-- name: put_off_webhook!
UPDATE webhook SET not_before = now() + :pause::interval WHERE id = :id;

-- name: disable_webhook!
UPDATE webhook SET disabled_at = now(), disabled_reason = :reason WHERE id = :id AND disabled_at IS NULL;

-- name: enable_webhook!
UPDATE webhook SET disabled_at = NULL, disabled_reason = NULL, failing_since = NULL, failures = 0, not_before = now()
 WHERE id = :id;

-- name: lock_claimed_webhook
SELECT FROM webhook WHERE id = :id AND lease_token = :token FOR UPDATE;

-- name: release_webhook!
UPDATE webhook w
   SET lease_token = NULL, lease_until = NULL,
       deliver_at = least(
           CASE WHEN w.disabled_at IS NULL AND w.wanted > w.position THEN w.not_before END,
           (SELECT min(d.not_before) FROM webhook_delivery d
             WHERE d.webhook_id = w.id AND d.state = 'waiting'
               AND (d.kind <> 'event' OR (w.disabled_at IS NULL AND d.sequence <= w.position))))
 WHERE w.id = :id;

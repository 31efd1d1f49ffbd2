-- name: retention_rules_of
SELECT retention_rule(r.*) FROM retention_rule r
 WHERE r.group_id IS NOT DISTINCT FROM :group_id::bigint AND r.project_id IS NOT DISTINCT FROM :project_id::bigint
 ORDER BY r.id;

-- name: retention_rules_above
-- The rules of the groups around a place, the nearest first, and of the instance.
SELECT retention_rule(r.*), g.path AS source FROM retention_rule r LEFT JOIN directory_group g ON g.id = r.group_id
 WHERE r.project_id IS NULL
   AND (r.group_id IS NULL
        OR r.group_id = ANY((SELECT a.ancestry FROM directory_group a
                              WHERE a.id = (SELECT group_id FROM project WHERE id = :project_id::bigint)
                                 OR a.id = :group_id::bigint)::bigint[]))
   AND r.group_id IS NOT DISTINCT FROM nullif(r.group_id, :group_id::bigint)
 ORDER BY cardinality(g.ancestry) DESC NULLS LAST, r.id LIMIT :limit;

-- name: retention_rule
SELECT retention_rule(r.*) FROM retention_rule r WHERE r.id = :id;

-- name: lock_retention_rule
SELECT retention_rule(r.*) FROM retention_rule r WHERE r.id = :id FOR UPDATE;

-- name: retention_rules_around
-- The rules of a place, of all places below it, and of all around it. No place: all rules.
WITH own AS (
    SELECT g.ancestry FROM directory_group g WHERE g.id = :group_id::bigint
     UNION ALL
    SELECT g.ancestry FROM project j JOIN directory_group g ON g.id = j.group_id WHERE j.id = :project_id::bigint
)
SELECT retention_rule(r.*) FROM retention_rule r
  LEFT JOIN project j ON j.id = r.project_id
  LEFT JOIN directory_group g ON g.id = coalesce(r.group_id, j.group_id)
 WHERE (:group_id::bigint IS NULL AND :project_id::bigint IS NULL)
    OR g.id IS NULL
    OR r.project_id = :project_id
    OR (r.project_id IS NULL AND g.id = ANY((SELECT ancestry FROM own)::bigint[]))
    OR g.ancestry @> ARRAY[:group_id::bigint]
 ORDER BY r.id;

-- name: add_retention_rule
INSERT INTO retention_rule (group_id, project_id, name, definition, next_run_at)
VALUES (:group_id::bigint, :project_id::bigint, :name, :definition::jsonb, :next_run_at::timestamptz)
RETURNING retention_rule(retention_rule.*);

-- name: change_retention_rule
UPDATE retention_rule
   SET (name, definition, version, next_run_at, changed_at)
     = (:name, :definition::jsonb, :version::integer, :next_run_at::timestamptz, now())
 WHERE id = :id
RETURNING retention_rule(retention_rule.*);

-- name: remove_retention_rule!
DELETE FROM retention_rule WHERE id = :id;

-- name: pause_retention_rule
UPDATE retention_rule SET paused_at = coalesce(paused_at, now()), pause_reason = coalesce(pause_reason, :reason::text)
 WHERE id = :id
RETURNING retention_rule(retention_rule.*);

-- name: resume_retention_rule
UPDATE retention_rule SET paused_at = NULL, pause_reason = NULL, next_run_at = :next_run_at::timestamptz
 WHERE id = :id
RETURNING retention_rule(retention_rule.*);

-- name: note_retention_rules_seen!
UPDATE retention_rule r SET seen_version = s.version
  FROM unnest(:ids::bigint[], :versions::integer[]) AS s (id, version)
 WHERE r.id = s.id AND r.version = s.version;

-- name: forget_seen_retention_rules!
-- A rule that keeps beats those that delete wherever they are, so all have to show their effect again.
UPDATE retention_rule SET seen_version = 0 WHERE definition ->> 'kind' = 'delete' AND seen_version <> 0;

-- name: put_project_on_hold
-- Finds the place by its path or its number.
UPDATE project SET deletion_hold = :reason
 WHERE CASE WHEN :reference::text ~ '^\d{1,18}$' THEN id = :reference::text::bigint
            ELSE lower(path) = lower(:reference) END
RETURNING 'project' AS place, id, path, deletion_hold AS reason;

-- name: put_group_on_hold
UPDATE directory_group SET deletion_hold = :reason
 WHERE CASE WHEN :reference::text ~ '^\d{1,18}$' THEN id = :reference::text::bigint
            ELSE lower(path) = lower(:reference) END
RETURNING 'group' AS place, id, path, deletion_hold AS reason;

-- name: wake_released!
-- Sends for deletions that the scheduler found under a hold that is lifted by now.
WITH released AS (
    SELECT id FROM deletion WHERE held AND finished_at IS NULL AND deletion_hold_on(project_id) IS NULL
     ORDER BY id FOR UPDATE
)
UPDATE deletion d SET held = false, wake_at = now(), wakes = 0 FROM released WHERE d.id = released.id;

-- name: list_holds
SELECT 'project' AS place, id, path, deletion_hold AS reason FROM project WHERE deletion_hold IS NOT NULL
 UNION ALL
SELECT 'group', id, path, deletion_hold FROM directory_group WHERE deletion_hold IS NOT NULL
 ORDER BY path LIMIT :limit;

-- name: nearest_hold
-- Returns the reason of the own hold of a project or group, or else of the nearest group around it.
SELECT CASE WHEN :project_id::bigint IS NOT NULL THEN deletion_hold_on(:project_id)
            ELSE (SELECT a.deletion_hold FROM directory_group g JOIN directory_group a ON a.id = ANY(g.ancestry)
                   WHERE g.id = :group_id::bigint AND a.deletion_hold IS NOT NULL
                   ORDER BY cardinality(a.ancestry) DESC LIMIT 1) END AS hold;

-- name: count_under_hold
-- Counts the deletions that wait below a project or group. released: those that no hold stops (any more). under_way:
-- those that a worker owns at this moment, and is about to let go.
WITH below AS MATERIALIZED (
    SELECT p.id, deletion_hold_on(p.id) IS NULL AS is_free
      FROM project p JOIN directory_group g ON g.id = p.group_id
     WHERE p.id = :project_id OR g.ancestry @> ARRAY[:group_id::bigint]
)
SELECT count(*) AS waiting, count(*) FILTER (WHERE b.is_free) AS released,
       count(*) FILTER (WHERE d.state IN statuses(CLAIMED) AND d.lease_until > now()) AS under_way
  FROM deletion d JOIN below b ON b.id = d.project_id
 WHERE d.finished_at IS NULL;

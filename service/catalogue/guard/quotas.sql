-- Quotas of bytes. The figures of projects are kept as changes, so no package is read.

-- name: lock_quotas
-- Uploads below the same enforced quota come one after the other from here to their end.
SELECT pg_advisory_xact_lock(hashtextextended('packyard.quota ' || q.id, 0))
  FROM (SELECT id FROM unnest(:ids::bigint[]) AS given (id) ORDER BY id) q;

-- name: enforced_quotas
SELECT q.id FROM storage_quota q
 WHERE q.enforce AND (q.project_id = :project_id OR q.group_id = ANY(:ancestry::bigint[]));

-- name: quota_usages
-- The quotas with these numbers, and the bytes of all projects below each.
WITH wanted AS (
    SELECT q.id, q.group_id, q.project_id, q.bytes, q.enforce, q.level
      FROM storage_quota q WHERE q.id = ANY(:ids::bigint[])
), places AS (
    SELECT w.id, w.project_id FROM wanted w WHERE w.project_id IS NOT NULL
     UNION ALL
    SELECT w.id, p.id FROM wanted w
      JOIN directory_group g ON g.ancestry @> ARRAY[w.group_id] JOIN project p ON p.group_id = g.id
), changes AS (
    -- Read once, and not once for each project below a group: uploads add to them until the scheduler adds them up.
    SELECT c.project_id, sum(c.logical_bytes) AS logical_bytes, sum(c.physical_bytes) AS physical_bytes
      FROM package_statistic_change c GROUP BY c.project_id
), used AS (
    SELECT f.id, sum(f.logical_bytes)::bigint AS logical_bytes, sum(f.physical_bytes)::bigint AS physical_bytes
      FROM (SELECT l.id, s.logical_bytes, s.physical_bytes
              FROM places l JOIN package_statistic s ON s.project_id = l.project_id
             UNION ALL
            SELECT l.id, c.logical_bytes, c.physical_bytes
              FROM places l JOIN changes c ON c.project_id = l.project_id) f
     GROUP BY f.id
)
SELECT w.id, w.group_id, w.project_id, coalesce(p.path, g.path) AS path,
       (coalesce(g.ancestry, pg.ancestry))[1] AS root_group_id, w.bytes, w.enforce, w.level,
       coalesce(u.logical_bytes, 0) AS logical_bytes, coalesce(u.physical_bytes, 0) AS physical_bytes
  FROM wanted w LEFT JOIN used u ON u.id = w.id
  LEFT JOIN directory_group g ON g.id = w.group_id
  LEFT JOIN project p ON p.id = w.project_id LEFT JOIN directory_group pg ON pg.id = p.group_id
 ORDER BY cardinality(g.ancestry) DESC NULLS FIRST;

-- name: quotas_around
-- The quotas that count in a project or group: its own, and those of the groups around it.
SELECT q.id FROM storage_quota q
 WHERE q.project_id = :project_id::bigint
    OR q.group_id = ANY((SELECT a.ancestry FROM directory_group a
                          WHERE a.id = coalesce(:group_id::bigint,
                                                (SELECT group_id FROM project WHERE id = :project_id::bigint)))::bigint[]);

-- name: all_quotas
SELECT id FROM storage_quota ORDER BY id;

-- name: change_quota_level
-- Nothing if somebody else has changed it since.
UPDATE storage_quota SET level = :level::smallint WHERE id = :id AND level = :before::smallint RETURNING id;

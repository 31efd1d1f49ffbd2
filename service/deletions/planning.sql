-- name: plan_deletions
-- Composed: see planning.py. A dry run reads the same rows that the real call locks.
-- The hold is read once for each project, and not for each package.
WITH places AS MATERIALIZED (
    SELECT o.id, o.level, deletion_hold_on(o.id) AS hold FROM unnest({projects}, {levels}) AS o (id, level)
)
SELECT p.id, p.project_id, p.package_type, p.name, p.version, p.status, w.level, w.hold, t.files, t.bytes,
       EXISTS (SELECT FROM protection_rule r
                WHERE r.project_id = p.project_id AND r.package_type = p.package_type
                  AND r.minimum_access_level_for_delete > w.level
                  AND name_matches(p.name, r.package_name_pattern)) AS is_protected
  FROM (SELECT p.* FROM package p
         WHERE p.project_id = ANY({projects}) AND {conditions}
         ORDER BY p.id LIMIT {limit} {lock}) p
  JOIN places w ON w.id = p.project_id
 CROSS JOIN LATERAL (SELECT count(*) AS files, coalesce(sum(f.size), 0)::bigint AS bytes
                       FROM package_file f WHERE f.package_id = p.id) t
 ORDER BY p.id;

-- name: count_planned
-- Composed: counts all that match, however many one call takes.
SELECT count(*) AS total FROM package p WHERE p.project_id = ANY({projects}) AND {conditions};

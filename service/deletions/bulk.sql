-- name: plan_deletions
-- Composed: see bulk_rows.plan. A dry run reads the same rows that the real call locks.
SELECT p.id, p.project_id, p.package_type, p.name, p.version, p.status, w.level, w.hold, t.files, t.bytes,
       EXISTS (SELECT FROM protection_rule r
                WHERE r.project_id = p.project_id AND r.package_type = p.package_type
                  AND r.minimum_access_level_for_delete > w.level
                  AND name_matches(p.name, r.package_name_pattern)) AS protected
  FROM (SELECT p.* FROM package p
         WHERE p.project_id = ANY({projects}) AND {conditions}
         ORDER BY p.id LIMIT {limit} {lock}) p
  JOIN (SELECT o.id, o.level, deletion_hold_on(o.id) AS hold FROM unnest({projects}, {levels}) AS o (id, level)) w
    ON w.id = p.project_id
 CROSS JOIN LATERAL (SELECT count(*) AS files, coalesce(sum(f.size), 0)::bigint AS bytes
                       FROM package_file f WHERE f.package_id = p.id) t
 ORDER BY p.id;

-- name: count_planned
-- Composed: counts all that match, however many one call takes.
SELECT count(*) AS total FROM package p WHERE p.project_id = ANY({projects}) AND {conditions};

-- name: holds_on_batch
-- Returns each hold once that stops unfinished deletions of the batch.
SELECT DISTINCT deletion_hold_on(w.project_id) AS hold
  FROM (SELECT DISTINCT project_id FROM deletion WHERE batch_id = :batch_id AND finished_at IS NULL) w
 WHERE deletion_hold_on(w.project_id) IS NOT NULL
 ORDER BY hold LIMIT :limit;

-- name: summarise_batch
SELECT d.state, count(*) AS deletions, sum(d.files_total)::bigint AS files_total, sum(d.files_done)::bigint AS files_done,
       sum(d.bytes_total)::bigint AS bytes_total, sum(d.bytes_done)::bigint AS bytes_done,
       min(d.requested_at) AS requested_at, max(d.finished_at) AS finished_at,
       min(d.reason) AS reason, min(d.requested_by) AS requested_by
  FROM deletion d
 WHERE d.batch_id = :batch_id AND (:project_ids::bigint[] IS NULL OR d.project_id = ANY(:project_ids))
 GROUP BY d.state;

-- name: retention_items
-- Composed: see reports.py. The packages of a run, with what their deletions have freed; and those that it left.
-- Each half is cut to a page before it is joined, since a run may leave a million packages.
SELECT i.package_id, i.project_id, i.package_type, i.name, i.version, i.files, i.bytes, i.outcome, i.reason, i.rule_id,
       i.rule, i.deletion_id, i.deletion_state, i.bytes_freed
  FROM (
    SELECT i.package_id, i.project_id, i.package_type, i.name, i.version, i.files, i.bytes, i.outcome, i.reason,
           coalesce(i.rule_id, n.rule_id) AS rule_id, coalesce(i.rule, n.rule_name) AS rule,
           d.id AS deletion_id, d.state AS deletion_state, coalesce(d.bytes_done, 0) AS bytes_freed
      FROM (SELECT * FROM retention_item
             WHERE run_id = {run_id} AND ({outcome} IS NULL OR outcome = {outcome})
               AND (project_id, package_id) > ({project}, {package})
             ORDER BY project_id, package_id LIMIT {limit}) i
      JOIN retention_run n ON n.id = i.run_id
      LEFT JOIN deletion d ON d.batch_id = i.run_id AND d.package_id = i.package_id AND d.package_file_id IS NULL
     UNION ALL
    SELECT k.package_id, k.project_id, p.package_type, p.name, p.version, coalesce(p.shown_files, 0),
           coalesce(p.shown_bytes, 0), 'kept', k.reason, k.rule_id, k.rule, NULL::uuid, NULL::text, 0::bigint
      FROM (SELECT o.project_id, u.package_id, o.reason, o.rule_id, o.rule
              FROM retention_kept o CROSS JOIN unnest(o.package_ids) u (package_id)
             WHERE o.run_id = {run_id} AND coalesce({outcome}, 'kept') = 'kept' AND o.project_id >= {project}
               AND (o.project_id, u.package_id) > ({project}, {package})
             ORDER BY o.project_id, u.package_id LIMIT {limit}) k
      LEFT JOIN package p ON p.id = k.package_id) i
 ORDER BY i.project_id, i.package_id LIMIT {limit};

-- name: undone_retention_runs
-- Those of some runs whose deletions were all undone. The first deletion of a batch settles it for most runs.
SELECT n.id FROM unnest(:ids::uuid[]) n (id)
 WHERE CASE WHEN (SELECT d.state FROM deletion d WHERE d.batch_id = n.id ORDER BY d.id LIMIT 1) = :restored
            THEN NOT EXISTS (SELECT FROM deletion d WHERE d.batch_id = n.id AND d.state <> :restored) END;

-- name: retention_lists_kept
SELECT EXISTS (SELECT FROM retention_kept k WHERE k.run_id = :run_id) AS lists_kept;

-- name: forget_retention_kept!
DELETE FROM retention_kept WHERE ctid = ANY(ARRAY(
    SELECT k.ctid
      FROM (SELECT r.id FROM retention_run r WHERE r.rule_id = :rule_id ORDER BY r.id DESC OFFSET :runs) older
      JOIN retention_kept k ON k.run_id = older.id LIMIT :limit));

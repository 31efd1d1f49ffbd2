-- name: retention_items
-- Composed: see reports.py. The packages of a run, with what their deletions have freed; and those that it left.
SELECT i.package_id, i.project_id, i.package_type, i.name, i.version, i.files, i.bytes, i.outcome, i.reason, i.rule_id,
       i.rule, i.deletion_id, i.deletion_state, i.bytes_freed
  FROM (
    SELECT i.package_id, i.project_id, i.package_type, i.name, i.version, i.files, i.bytes, i.outcome, i.reason,
           coalesce(i.rule_id, n.rule_id) AS rule_id, coalesce(i.rule, n.rule_name) AS rule,
           d.id AS deletion_id, d.state AS deletion_state, coalesce(d.bytes_done, 0) AS bytes_freed
      FROM retention_item i JOIN retention_run n ON n.id = i.run_id
      LEFT JOIN deletion d ON d.batch_id = i.run_id AND d.package_id = i.package_id AND d.package_file_id IS NULL
     WHERE i.run_id = {run_id}
     UNION ALL
    SELECT u.package_id, k.project_id, p.package_type, p.name, p.version, coalesce(p.shown_files, 0),
           coalesce(p.shown_bytes, 0), 'kept', k.reason, k.rule_id, k.rule, NULL::uuid, NULL::text, 0::bigint
      FROM retention_kept k CROSS JOIN unnest(k.package_ids) u (package_id)
      LEFT JOIN package p ON p.id = u.package_id
     WHERE k.run_id = {run_id}) i
 WHERE ({outcome} IS NULL OR i.outcome = {outcome}) AND (i.project_id, i.package_id) > ({project}, {package})
 ORDER BY i.project_id, i.package_id LIMIT {limit};

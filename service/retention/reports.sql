-- name: retention_items
-- Composed: see reports.py. The packages of a run, with what their deletions have freed.
SELECT i.package_id, i.project_id, i.package_type, i.name, i.version, i.files, i.bytes, i.outcome, i.reason,
       d.id AS deletion_id, d.state AS deletion_state, coalesce(d.bytes_done, 0) AS bytes_freed
  FROM retention_item i
  LEFT JOIN deletion d ON d.batch_id = i.run_id AND d.package_id = i.package_id AND d.package_file_id IS NULL
 WHERE i.run_id = {run_id} ORDER BY i.project_id, i.package_id;

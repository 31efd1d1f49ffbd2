-- name: add_retention_run
-- Nothing is added while another run of the rule is open.
INSERT INTO retention_run (id, rule_id, rule_version, rule_name, group_id, project_id, definition, cause, dry_run,
                           requested_by)
SELECT :id, r.id, r.version, r.name, r.group_id, r.project_id, r.definition, :cause,
       :dry_run OR (r.definition ->> 'dry_run')::boolean IS TRUE OR r.seen_version <> r.version, :requested_by::bigint
  FROM retention_rule r WHERE r.id = :rule_id
    ON CONFLICT (rule_id) WHERE finished_at IS NULL DO NOTHING
RETURNING retention_run(retention_run.*);

-- name: retention_run
SELECT retention_run(r.*) FROM retention_run r WHERE r.id = :id;

-- name: lock_retention_run
SELECT retention_run(r.*) FROM retention_run r WHERE r.id = :id FOR UPDATE;

-- name: retention_runs_of
-- The runs of the rules of exactly one place, the newest first.
SELECT retention_run(r.*) FROM retention_run r
 WHERE r.group_id IS NOT DISTINCT FROM :group_id::bigint AND r.project_id IS NOT DISTINCT FROM :project_id::bigint
 ORDER BY r.id DESC LIMIT :limit OFFSET :offset;

-- name: newest_retention_runs
SELECT retention_run(r.*) FROM retention_run r
 WHERE :rule_id::bigint IS NULL OR r.rule_id = :rule_id
 ORDER BY r.id DESC LIMIT :limit;

-- name: approve_retention_run
UPDATE retention_run SET state = 'deleting', approved_by = :user_id::bigint, approved_at = now()
 WHERE id = :id AND state = 'awaiting_approval'
RETURNING retention_run(retention_run.*);

-- name: open_retention_run
SELECT retention_run(r.*) FROM retention_run r WHERE r.rule_id = :rule_id AND r.finished_at IS NULL;

-- name: retention_outcomes
-- The packages of a run by project and outcome.
SELECT i.project_id, i.outcome, i.reason, count(*) AS packages, sum(i.files)::bigint AS files,
       sum(i.bytes)::bigint AS bytes
  FROM retention_item i WHERE i.run_id = :run_id GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: retention_progress
-- How far the deletions of a run are, by state.
SELECT d.state, count(*) AS deletions, sum(d.bytes_done)::bigint AS bytes_done,
       min(d.not_before) AS first_due
  FROM deletion d
 WHERE d.batch_id = :run_id GROUP BY 1 ORDER BY 1;

-- name: prune_retention_items!
DELETE FROM retention_item WHERE ctid = ANY(ARRAY(
    SELECT i.ctid FROM retention_run r JOIN retention_item i ON i.run_id = r.id
     WHERE r.finished_at < now() - :older_than::interval LIMIT :limit));

-- name: prune_retention_kept!
DELETE FROM retention_kept WHERE ctid = ANY(ARRAY(
    SELECT k.ctid FROM retention_run r JOIN retention_kept k ON k.run_id = r.id
     WHERE r.finished_at < now() - :older_than::interval LIMIT :limit));

-- name: prune_retention_runs!
DELETE FROM retention_run WHERE id = ANY(ARRAY(
    SELECT r.id FROM retention_run r
     WHERE r.finished_at < now() - :older_than::interval
       AND NOT EXISTS (SELECT FROM retention_item i WHERE i.run_id = r.id)
       AND NOT EXISTS (SELECT FROM retention_kept k WHERE k.run_id = r.id)
     LIMIT :limit FOR UPDATE SKIP LOCKED));

-- name: prune_spared!
-- A package that is gone needs no sparing.
DELETE FROM retention_spared WHERE ctid = ANY(ARRAY(
    SELECT s.ctid FROM retention_spared s
     WHERE NOT EXISTS (SELECT FROM package p WHERE p.id = s.package_id) LIMIT :limit));

-- name: release_spared!
DELETE FROM retention_spared WHERE package_id = :package_id;

-- name: retention_package
SELECT p.id FROM package p
 WHERE p.project_id = :project_id AND p.id = :package_id AND p.status IN statuses(DISPLAYABLE);

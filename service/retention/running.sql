-- name: open_retention_runs
-- Those that the scheduler can continue, the oldest first.
SELECT retention_run(r.*) FROM retention_run r
 WHERE r.finished_at IS NULL AND (r.state <> 'awaiting_approval' OR r.lapses_at <= now())
 ORDER BY r.id LIMIT :limit;

-- name: due_retention_rules
SELECT retention_rule(r.*), now() AS now FROM retention_rule r
 WHERE r.next_run_at <= now() AND r.paused_at IS NULL
 ORDER BY r.next_run_at LIMIT :limit FOR UPDATE SKIP LOCKED;

-- name: reschedule_retention_rule!
UPDATE retention_rule SET next_run_at = :next_run_at::timestamptz WHERE id = :id;

-- name: count_retention_attempt!
UPDATE retention_run SET attempts = attempts + 1, error = :error WHERE id = :id;

-- name: fail_retention_run!
UPDATE retention_run SET state = 'failed', finished_at = now(), error = :error
 WHERE id = :id AND finished_at IS NULL;

-- name: note_retention_plan
UPDATE retention_run
   SET planned_at = now(), state = :state, packages = :packages, files = :files, bytes = :bytes,
       verdicts = :totals::jsonb, attempts = 0, error = NULL,
       lapses_at = CASE WHEN :state::text = 'awaiting_approval' THEN now() + :patience::interval END,
       finished_at = CASE WHEN :state::text = 'finished' THEN now() END
 WHERE id = :id
RETURNING retention_run(retention_run.*);

-- name: lapse_retention_run!
UPDATE retention_run SET state = 'lapsed', finished_at = now()
 WHERE id = :id AND state = 'awaiting_approval' AND lapses_at <= now();

-- name: finish_retention_run
UPDATE retention_run SET state = 'finished', finished_at = now() WHERE id = :id AND state = 'deleting'
RETURNING retention_run(retention_run.*);

-- name: open_policy_deletions
-- How many deletions of rules no worker has seen yet, up to a limit.
SELECT count(*) AS open FROM (
    SELECT FROM deletion WHERE cause = 'policy' AND state IN statuses(QUEUED) LIMIT :limit) queued;

-- name: next_retention_items
SELECT i.package_id FROM retention_item i
 WHERE i.run_id = :run_id AND i.outcome = 'planned' ORDER BY i.package_id LIMIT :limit;

-- name: lock_retention_packages
SELECT p.id, p.status FROM package p
 WHERE p.id = ANY(:package_ids::bigint[]) AND p.status IN statuses(DISPLAYABLE) ORDER BY p.id FOR UPDATE;

-- name: note_retention_items!
UPDATE retention_item i SET outcome = o.outcome, reason = o.reason
  FROM unnest(:package_ids::bigint[], :outcomes::text[], :reasons::text[]) AS o (package_id, outcome, reason)
 WHERE i.run_id = :run_id AND i.package_id = o.package_id;

-- name: open_retention_runs
-- Those that the scheduler can continue, the oldest first. While a rule is paused, its run asks for no deletion.
SELECT retention_run(r.*) FROM retention_run r
 WHERE r.finished_at IS NULL AND (r.state <> 'awaiting_approval' OR r.lapses_at <= now())
   AND NOT (r.state = 'deleting'
            AND EXISTS (SELECT FROM retention_rule o WHERE o.id = r.rule_id AND o.paused_at IS NOT NULL))
 ORDER BY r.id LIMIT :limit;

-- name: due_retention_rules
SELECT retention_rule(r.*), now() AS now FROM retention_rule r
 WHERE r.next_run_at <= now() AND r.paused_at IS NULL
 ORDER BY r.next_run_at LIMIT :limit FOR UPDATE SKIP LOCKED;

-- name: reschedule_retention_rule!
UPDATE retention_rule SET next_run_at = :next_run_at::timestamptz WHERE id = :id;

-- name: count_retention_attempt!
UPDATE retention_run SET attempts = attempts + 1, error = :error WHERE id = :id;

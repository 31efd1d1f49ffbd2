-- name: finish_retention_run
UPDATE retention_run SET state = 'finished', finished_at = now() WHERE id = :id AND state = 'deleting'
RETURNING retention_run(retention_run.*);

-- name: refuse_retention_run
-- The state is the one that the version before knows.
UPDATE retention_run
   SET state = 'lapsed', finished_at = now(), refused_at = now(), refused_by = :user_id::bigint, error = :reason::text
 WHERE id = :id AND state = 'awaiting_approval'
RETURNING retention_run(retention_run.*);

-- name: lapse_retention_run
UPDATE retention_run SET state = 'lapsed', finished_at = now()
 WHERE id = :id AND state = 'awaiting_approval' AND lapses_at <= now()
RETURNING retention_run(retention_run.*);

-- name: fail_retention_run
UPDATE retention_run SET state = 'failed', finished_at = now(), error = :reason
 WHERE id = :id AND finished_at IS NULL
RETURNING retention_run(retention_run.*);

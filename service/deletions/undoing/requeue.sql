-- name: queue_again
-- Not `queued`: the package is past its grace, and objects may be gone.
UPDATE deletion SET state = 'retrying', finished_at = NULL, attempts = 0, wakes = 0,
       not_before = now(), wake_at = now() + :resend::interval, requested_level = :requested_level
 WHERE id = :id AND state IN statuses(FAILED) AND state IN sources_of(DELETION_MOVES, retrying)
RETURNING deletion(deletion.*);

-- name: reopen_package!
UPDATE package SET status = 'processing', updated_at = now()
 WHERE id = :package_id AND status IN statuses(IN_ERROR) AND status IN sources_of(PACKAGE_MOVES, processing);

-- name: reopen_file!
UPDATE package_file SET status = 'processing', updated_at = now()
 WHERE id = :package_file_id AND status IN statuses(FILES_IN_ERROR) AND status IN sources_of(FILE_MOVES, processing);

-- name: end_grace
UPDATE deletion SET grace_waived = true, wakes = 0, not_before = now(), wake_at = now() + :resend::interval
 WHERE id = :id RETURNING deletion(deletion.*);

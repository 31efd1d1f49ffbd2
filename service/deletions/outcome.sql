-- name: retry_deletions!
UPDATE deletion d
   SET state = 'retrying', claim = NULL, lease_until = NULL, last_error = w.error,
       attempts = CASE WHEN d.id = ANY(:uncounted::uuid[]) THEN d.attempts - 1 ELSE d.attempts END,
       removal_began_at = CASE WHEN d.id <> ALL(:untouched::uuid[]) THEN d.removal_began_at END,
       not_before = now() + w.pause, wake_at = now() + w.pause
  FROM unnest(:ids::uuid[], :errors::text[], :pauses::interval[]) AS w (id, error, pause)
 WHERE d.id = w.id AND d.state IN statuses(CLAIMED) AND d.state IN sources_of(DELETION_MOVES, retrying);

-- name: fail_deletions
UPDATE deletion d
   SET state = 'failed', claim = NULL, lease_until = NULL, last_error = w.error, finished_at = now(),
       removal_began_at = CASE WHEN d.id <> ALL(:untouched::uuid[]) THEN d.removal_began_at END
  FROM unnest(:ids::uuid[], :errors::text[]) AS w (id, error)
 WHERE d.id = w.id AND d.state IN sources_of(DELETION_MOVES, failed)
RETURNING deletion(d.*);

-- name: show_in_error!
-- Shows what is left of failed deletions as it is, but for files that are still to go by deletions of their own.
-- The empty text keeps the index of states away, as for end_deletions.
WITH failed AS (
    SELECT id, package_id, package_file_id FROM deletion WHERE id = ANY(:ids::uuid[])
), packages AS (
    UPDATE package p SET status = 'error', updated_at = now()
      FROM failed w
     WHERE w.package_file_id IS NULL AND p.id = w.package_id AND p.status || '' IN sources_of(PACKAGE_MOVES, error)
), single_files AS (
    UPDATE package_file f SET status = 'error', updated_at = now()
      FROM failed w WHERE f.id = w.package_file_id AND f.status IN sources_of(FILE_MOVES, error)
)
UPDATE package_file f SET status = 'error', updated_at = now()
  FROM failed w
 WHERE w.package_file_id IS NULL AND f.package_id = w.package_id AND f.status IN sources_of(FILE_MOVES, error)
   AND NOT EXISTS (SELECT FROM deletion o WHERE o.package_file_id = f.id AND o.finished_at IS NULL);

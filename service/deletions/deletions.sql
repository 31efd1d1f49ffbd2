-- name: lock_packages
-- Locks the packages that may be deleted until the transaction ends, and returns what their deletions need.
SELECT p.id, p.package_type, p.name, p.version, p.status, p.updated_at, deletion_hold_on(p.project_id) AS hold,
       EXISTS (SELECT FROM protection_rule r
                WHERE r.project_id = p.project_id AND r.package_type = p.package_type
                  AND r.minimum_access_level_for_delete > :level
                  AND name_matches(p.name, r.package_name_pattern)) AS protected
  FROM package p
 WHERE p.project_id = :project_id AND p.id = ANY(:package_ids::bigint[]) AND p.status IN statuses(DISPLAYABLE)
 ORDER BY p.id
   FOR UPDATE;

-- name: lock_file
-- The one file of a locked package, if it may be deleted.
SELECT f.id, f.file_name, f.size, f.updated_at FROM package_file f
 WHERE f.id = :package_file_id AND f.package_id = :package_id AND f.status IN statuses(DISPLAYABLE_FILES)
   FOR UPDATE;

-- name: insert_package_deletions
-- level: of the caller, in the project of each package.
WITH moved AS (
    UPDATE package SET status = 'processing', updated_at = now()
     WHERE id = ANY(:package_ids::bigint[]) AND status IN sources_of(PACKAGE_MOVES, processing)
), wanted AS (
    SELECT * FROM unnest(:deletion_ids::uuid[], :event_ids::uuid[], :package_ids::bigint[], :prior_statuses::text[],
        :levels::smallint[]) AS w (deletion_id, event_id, package_id, prior_status, level)
), totals AS (
    SELECT package_id, count(*) AS files, sum(size)::bigint AS bytes FROM package_file
     WHERE package_id = ANY(:package_ids::bigint[]) GROUP BY package_id
)
INSERT INTO deletion (id, request_event_id, project_id, root_group_id, package_id, package_type, package_name,
    package_version, prior_status, lane, cause, reason, requested_by, requested_level, credential, request_id, batch_id,
    files_total, bytes_total, wake_at)
SELECT w.deletion_id, w.event_id, p.project_id, g.ancestry[1], p.id, p.package_type, p.name,
    p.version, w.prior_status, :lane, :cause, :reason, :requested_by, w.level, :credential, :request_id, :batch_id::uuid,
    coalesce(t.files, 0), coalesce(t.bytes, 0), now() + :resend::interval
  FROM wanted w JOIN package p ON p.id = w.package_id
  JOIN project j ON j.id = p.project_id JOIN directory_group g ON g.id = j.group_id
  LEFT JOIN totals t ON t.package_id = w.package_id
RETURNING deletion(deletion.*);

-- name: insert_file_deletion
WITH moved AS (
    UPDATE package_file SET status = 'processing', updated_at = now()
     WHERE id = :package_file_id AND status IN sources_of(FILE_MOVES, processing)
)
INSERT INTO deletion (id, request_event_id, project_id, root_group_id, package_id, package_file_id, package_type,
    package_name, package_version, file_name, prior_status, lane, cause, reason, requested_by, requested_level,
    credential, request_id, files_total, bytes_total, wake_at)
SELECT :deletion_id, :event_id, p.project_id, g.ancestry[1], p.id, f.id, p.package_type,
    p.name, p.version, f.file_name, CASE WHEN f.status IN statuses(FILES_IN_ERROR) THEN f.status ELSE p.status END, :lane, :cause, :reason,
    :requested_by, :requested_level, :credential, :request_id, 1, f.size, now() + :resend::interval
  FROM package_file f JOIN package p ON p.id = f.package_id
  JOIN project j ON j.id = p.project_id JOIN directory_group g ON g.id = j.group_id
 WHERE f.id = :package_file_id
RETURNING deletion(deletion.*);

-- name: claim_deletions
-- Claims the given deletions that are due, that no other worker owns, and that no hold stops. A fresh one waits for its
-- grace first. One that was attempted before comes alone: the fault of that attempt must not break others again.
WITH claimable AS (
    SELECT id, state IN statuses(CLAIMED) AND claim <> :claim AS has_lapsed,
           -- A worker that continues after an outage of the database begins no new attempt.
           state IN statuses(CLAIMED) AND claim = :claim AS is_resumed,
           CASE WHEN state IN sources_of(DELETION_MOVES, grace) AND NOT grace_waived
                THEN grace_of(project_id, package_type, :grace::interval) ELSE interval '0' END AS grace
      FROM deletion
     WHERE id = ANY(:ids::uuid[]) AND not_before <= now()
       AND (state IN sources_of(DELETION_MOVES, destroying)
            OR (state IN statuses(CLAIMED) AND (lease_until < now() OR claim = :claim)))
       AND (attempts = 0 OR claim = :claim OR cardinality(:ids::uuid[]) = 1)
       AND deletion_hold_on(project_id) IS NULL
     ORDER BY id
       FOR UPDATE SKIP LOCKED
), claimed AS (
    SELECT *, grace > interval '0' AS waits FROM claimable
)
UPDATE deletion d
   SET state = CASE WHEN c.waits THEN 'grace' ELSE 'destroying' END,
       claim = CASE WHEN c.waits THEN NULL ELSE :claim::uuid END,
       lease_until = CASE WHEN c.waits THEN NULL ELSE now() + :lease::interval END,
       not_before = CASE WHEN c.waits THEN now() + c.grace ELSE d.not_before END,
       wake_at = now() + CASE WHEN c.waits THEN c.grace ELSE :lease::interval END,
       attempts = d.attempts + CASE WHEN c.waits OR c.is_resumed THEN 0 ELSE 1 END,
       wakes = 0, held = false
  FROM claimed c
 WHERE d.id = c.id
RETURNING deletion(d.*), c.has_lapsed, d.removal_began_at = now() AS is_untouched;

-- name: note_on_hold!
-- Marks deletions that a claim passed by because of a hold. The end of the hold sends for them immediately.
WITH stopped AS (
    SELECT id FROM deletion
     WHERE id = ANY(:ids::uuid[]) AND NOT held AND finished_at IS NULL AND deletion_hold_on(project_id) IS NOT NULL
     ORDER BY id FOR UPDATE SKIP LOCKED
)
UPDATE deletion d SET held = true FROM stopped WHERE d.id = stopped.id;

-- name: attempted_deletions
-- Finds the deletions of a command that were attempted before, and are due: each is claimed by itself.
SELECT id FROM deletion
 WHERE id = ANY(:ids::uuid[]) AND not_before <= now() AND attempts > 0
   AND (state IN statuses(CLAIMABLE) OR (state IN statuses(CLAIMED) AND lease_until < now()))
 ORDER BY attempts, id;

-- name: protected_deletions
-- Protection may have come in since acceptance; it counts as long as nothing was removed.
SELECT d.id FROM deletion d
 WHERE d.id = ANY(:ids::uuid[]) AND d.files_done = 0
   AND EXISTS (SELECT FROM protection_rule r
                WHERE r.project_id = d.project_id AND r.package_type = d.package_type
                  AND r.minimum_access_level_for_delete > d.requested_level
                  AND name_matches(d.package_name, r.package_name_pattern));

-- name: mark_for_destruction
-- Safe to repeat: what is marked already stays as it is. Returns the deletions that were marked for the first time.
WITH wanted AS (
    SELECT id, package_id, package_file_id FROM deletion WHERE id = ANY(:ids::uuid[])
), packages AS (
    UPDATE package p SET status = 'pending_destruction', updated_at = now()
      FROM wanted w WHERE w.package_file_id IS NULL AND p.id = w.package_id AND p.status IN sources_of(PACKAGE_MOVES, pending_destruction)
), files AS (
    UPDATE package_file f SET status = 'pending_destruction', updated_at = now()
      FROM wanted w
     WHERE w.package_file_id IS NULL AND f.package_id = w.package_id AND f.status IN sources_of(FILE_MOVES, pending_destruction)
), single_files AS (
    UPDATE package_file f SET status = 'pending_destruction', updated_at = now()
      FROM wanted w WHERE f.id = w.package_file_id AND f.status IN sources_of(FILE_MOVES, pending_destruction)
)
UPDATE deletion d SET marked_at = now()
 WHERE d.id = ANY(:ids::uuid[]) AND d.marked_at IS NULL
RETURNING d.id;

-- name: next_files
-- The next chunk of our claim's files, small deletions first, so that a large one holds up nobody; none under a hold.
WITH ours AS MATERIALIZED (
    SELECT d.* FROM deletion d
     WHERE d.id = ANY(:ids::uuid[]) AND d.claim = :claim AND deletion_hold_on(d.project_id) IS NULL
)
SELECT f.id, f.storage_key, f.size, f.deletion_id FROM (
    SELECT f.id, f.storage_key, f.size, d.id AS deletion_id, d.files_total
      FROM ours d JOIN package_file f ON f.package_id = d.package_id
     WHERE d.package_file_id IS NULL AND f.status IN statuses(MARKED_FILES)
    UNION ALL
    SELECT f.id, f.storage_key, f.size, d.id, d.files_total
      FROM ours d JOIN package_file f ON f.id = d.package_file_id
     WHERE f.status IN statuses(MARKED_FILES)
) f
 ORDER BY f.files_total, f.deletion_id, f.id
 LIMIT :limit;

-- name: next_files_of_large
-- Reads the files of one package straight along its index, however many are left.
SELECT f.id, f.storage_key, f.size
  FROM package_file f
 WHERE f.package_id = :package_id AND f.status IN statuses(MARKED_FILES)
   AND EXISTS (SELECT FROM deletion d
                WHERE d.id = :deletion_id AND d.claim = :claim AND deletion_hold_on(d.project_id) IS NULL)
 ORDER BY f.id LIMIT :limit;

-- name: unmarked_deletions
SELECT d.id FROM deletion d
 WHERE d.id = ANY(:ids::uuid[])
   AND NOT EXISTS (SELECT FROM package_file f
                    WHERE f.package_id = d.package_id AND f.status IN statuses(MARKED_FILES)
                      AND (d.package_file_id IS NULL OR f.id = d.package_file_id));

-- name: lock_packages_of_deletions
-- Every transaction locks deletions first, then packages, then files, each in the order of their ids. So no two of them
-- wait in a circle. A lock on the package also protects the locks on its files.
SELECT id FROM package
 WHERE id IN (SELECT package_id FROM deletion WHERE id = ANY(:ids::uuid[])) ORDER BY id FOR UPDATE;

-- name: lock_claims
-- Locks those deletions that we still own, with their packages, until the transaction ends.
WITH ours AS MATERIALIZED (
    SELECT id, package_id, project_id FROM deletion
     WHERE id = ANY(:ids::uuid[]) AND claim = :claim ORDER BY id FOR UPDATE
), packages AS MATERIALIZED (
    SELECT id FROM package WHERE id IN (SELECT package_id FROM ours) ORDER BY id FOR UPDATE
)
SELECT o.id, deletion_hold_on(o.project_id) AS hold
  FROM ours o CROSS JOIN (SELECT count(*) FROM packages) locked ORDER BY o.id;

-- name: delete_files
-- Deletes file rows, only after their objects are gone.
DELETE FROM package_file WHERE id = ANY(:package_file_ids::bigint[]) AND status IN statuses(MARKED_FILES) RETURNING id;

-- name: delete_packages
-- Deletes packages without a file row; returns the deletions that are at their end.
DELETE FROM package p USING deletion d
 WHERE d.id = ANY(:ids::uuid[]) AND d.package_file_id IS NULL AND p.id = d.package_id
   AND p.status IN statuses(MARKED)
   AND NOT EXISTS (SELECT FROM package_file f WHERE f.package_id = p.id)
RETURNING d.id;

-- name: finished_file_deletions
SELECT d.id FROM deletion d
 WHERE d.id = ANY(:ids::uuid[]) AND d.package_file_id IS NOT NULL
   AND NOT EXISTS (SELECT FROM package_file f WHERE f.id = d.package_file_id);

-- name: lock_displayed_packages
-- An upload that adds a file to the package waits for this lock, or this waits for the upload.
SELECT id FROM package WHERE id = ANY(:package_ids::bigint[]) AND status IN statuses(DISPLAYABLE) ORDER BY id FOR UPDATE;

-- name: delete_emptied_packages
-- A model exists even without a file, as in GitLab.
DELETE FROM package p
 WHERE p.id = ANY(:package_ids::bigint[]) AND p.package_type <> 'ml_model'
   AND NOT EXISTS (SELECT FROM package_file f WHERE f.package_id = p.id)
RETURNING p.id;

-- name: record_progress
UPDATE deletion d
   SET files_done = d.files_done + w.files, bytes_done = d.bytes_done + w.bytes, last_error = NULL,
       state = CASE WHEN w.ended THEN 'succeeded' ELSE d.state END,
       claim = CASE WHEN w.ended THEN NULL ELSE d.claim END,
       lease_until = CASE WHEN w.ended THEN NULL ELSE now() + :lease::interval END,
       wake_at = now() + :lease::interval,
       attempts = CASE WHEN w.files > 0 AND NOT w.ended THEN 1 ELSE d.attempts END,
       finished_at = CASE WHEN w.ended THEN now() END
  FROM unnest(:ids::uuid[], :files::bigint[], :bytes::bigint[], :ended::boolean[]) AS w (id, files, bytes, ended)
 WHERE d.id = w.id AND d.state IN sources_of(DELETION_MOVES, succeeded)
RETURNING deletion(d.*);

-- name: renew_claims!
WITH owned AS (
    SELECT id FROM deletion WHERE id = ANY(:ids::uuid[]) AND claim = :claim ORDER BY id FOR UPDATE
)
UPDATE deletion d SET lease_until = now() + :lease::interval, wake_at = now() + :lease::interval
  FROM owned WHERE d.id = owned.id;

-- name: release_claims!
-- Gives back what was claimed, immediately and without counting it as an attempt.
WITH owned AS (
    SELECT id FROM deletion WHERE id = ANY(:ids::uuid[]) AND claim = :claim ORDER BY id FOR UPDATE
)
UPDATE deletion d SET state = 'retrying', claim = NULL, lease_until = NULL, attempts = d.attempts - 1,
       removal_began_at = CASE WHEN d.id <> ALL(:untouched::uuid[]) THEN d.removal_began_at END,
       not_before = now(), wake_at = now()
  FROM owned WHERE d.id = owned.id AND d.state IN sources_of(DELETION_MOVES, retrying);

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
WITH failed AS (
    SELECT id, package_id, package_file_id FROM deletion WHERE id = ANY(:ids::uuid[])
), packages AS (
    UPDATE package p SET status = 'error', updated_at = now()
      FROM failed w WHERE w.package_file_id IS NULL AND p.id = w.package_id AND p.status IN sources_of(PACKAGE_MOVES, error)
), single_files AS (
    UPDATE package_file f SET status = 'error', updated_at = now()
      FROM failed w WHERE f.id = w.package_file_id AND f.status IN sources_of(FILE_MOVES, error)
)
UPDATE package_file f SET status = 'error', updated_at = now()
  FROM failed w
 WHERE w.package_file_id IS NULL AND f.package_id = w.package_id AND f.status IN sources_of(FILE_MOVES, error)
   AND NOT EXISTS (SELECT FROM deletion o WHERE o.package_file_id = f.id AND o.finished_at IS NULL);

-- name: wake_deletions
-- Sends again for deletions that should have moved on by now, each time after a longer pause. A deletion under a hold
-- is only read again, in case the end of the hold went unnoticed.
WITH due AS (
    SELECT id, deletion_hold_on(project_id) IS NOT NULL AS is_held
      FROM deletion WHERE finished_at IS NULL AND wake_at <= now()
     ORDER BY wake_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE deletion d
   SET held = due.is_held,
       wakes = CASE WHEN due.is_held THEN 0 ELSE d.wakes + 1 END,
       wake_at = now() + CASE WHEN due.is_held THEN interval '10 minutes' ELSE least(
           :resend::interval * power(2, least(d.wakes, 10)), greatest(:resend::interval, interval '1 hour')) END
  FROM due WHERE d.id = due.id
RETURNING d.id, d.lane, d.held, d.attempts > 0 AS was_attempted;

-- name: neglected_deletions
-- First come claims that lapsed, since their commands may wait behind many others. Then come deletions that were sent
-- for twice without a result, since the queue between the scheduler and the workers is broken. Deletions under a hold are left
-- out: they would be found again and again, in place of others.
(SELECT id FROM deletion
  WHERE state IN statuses(CLAIMED) AND lease_until < now() AND lane = ANY(:lanes::text[])
    AND deletion_hold_on(project_id) IS NULL
  ORDER BY lease_until LIMIT :limit)
UNION ALL
(SELECT id FROM deletion
  WHERE finished_at IS NULL AND wakes >= 2 AND lane = ANY(:lanes::text[]) AND not_before <= now()
    AND state NOT IN statuses(CLAIMED) AND deletion_hold_on(project_id) IS NULL
  ORDER BY not_before LIMIT :limit)
LIMIT :limit;

-- name: prune_deletions!
-- A failed deletion stays as long as its package or file: it can be tried again, and later uploads stay apart.
DELETE FROM deletion WHERE id IN (
    SELECT d.id FROM deletion d
     WHERE d.finished_at < now() - :older_than::interval
       AND (d.state NOT IN statuses(FAILED) OR NOT EXISTS (SELECT FROM package p WHERE p.id = d.package_id))
     LIMIT :limit FOR UPDATE SKIP LOCKED);

-- name: find_deletion
SELECT deletion(d.*) FROM deletion d WHERE d.id = :id;

-- name: show_deletions
-- Composed: see deletion_view_rows. The user is null if no user asked, or if the user is not known any more.
SELECT deletion(d.*), u.username, u.name AS user_name,
       EXISTS (SELECT FROM package p WHERE p.id = d.package_id) AS has_package,
       CASE WHEN d.finished_at IS NULL THEN deletion_hold_on(d.project_id) END AS hold,
       (SELECT jsonb_agg(jsonb_build_object('action', a.action, 'credential', a.credential, 'acted_at', a.acted_at,
                   'user_id', o.id, 'username', o.username, 'name', o.name) ORDER BY a.id)
          FROM deletion_act a LEFT JOIN directory_user o ON o.id = a.user_id WHERE a.deletion_id = d.id) AS acts
  FROM (SELECT d.* FROM {source} ORDER BY d.id DESC LIMIT {limit}) d
  LEFT JOIN directory_user u ON u.id = d.requested_by
 ORDER BY d.id DESC;

-- name: claim_deletions
-- Claims the given deletions that are due, that no other worker owns, and that no hold stops. A fresh one waits for its
-- grace first. One that was attempted before comes alone: the fault of that attempt must not break others again.
WITH claimable AS (
    SELECT id, state IN statuses(CLAIMED) AND claim <> :claim AS has_lapsed,
           -- A worker that continues after an outage of the database begins no new attempt.
           state IN statuses(CLAIMED) AND claim = :claim AS is_resumed,
           CASE WHEN state IN sources_of(DELETION_MOVES, grace) AND NOT grace_waived
                THEN greatest(grace_of(project_id, package_type, :grace::interval),
                              CASE WHEN cause = 'policy' THEN :policy_grace::interval END)
                ELSE interval '0' END AS grace
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
-- The empty text keeps the index of states away, as for end_deletions.
WITH wanted AS (
    SELECT id, package_id, package_file_id FROM deletion WHERE id = ANY(:ids::uuid[])
), packages AS (
    UPDATE package p SET status = 'pending_destruction', updated_at = now()
      FROM wanted w
     WHERE w.package_file_id IS NULL AND p.id = w.package_id
       AND p.status || '' IN sources_of(PACKAGE_MOVES, pending_destruction)
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

-- name: attempted_deletions
-- Finds the deletions of a command that were attempted before, and are due: each is claimed by itself.
SELECT id FROM deletion
 WHERE id = ANY(:ids::uuid[]) AND not_before <= now() AND attempts > 0
   AND (state IN statuses(CLAIMABLE) OR (state IN statuses(CLAIMED) AND lease_until < now()))
 ORDER BY attempts, id;

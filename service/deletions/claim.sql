-- name: claim_deletions
-- Claims the given deletions that are due, that no other worker owns, and that no hold stops. A fresh one waits for its
-- grace first. One that was attempted before comes alone: the fault of that attempt must not break others again.
-- The empty text keeps the index of states away, as for end_deletions. Holds and graces are read once for a place: a call
-- for each deletion would cost as much as the rest.
WITH places AS MATERIALIZED (
    SELECT project_id, package_type, deletion_hold_on(project_id) AS hold,
           grace_of(project_id, package_type, :grace::interval) AS grace
      FROM (SELECT DISTINCT project_id, package_type FROM deletion WHERE id = ANY(:ids::uuid[])) place
), claimable AS (
    SELECT d.id, d.state IN statuses(CLAIMED) AND d.claim <> :claim AS has_lapsed,
           -- Protection may have come in since acceptance; it counts as long as nothing was removed.
           d.files_done = 0 AND EXISTS (
               SELECT FROM protection_rule r
                WHERE r.project_id = d.project_id AND r.package_type = d.package_type
                  AND r.minimum_access_level_for_delete > d.requested_level
                  AND name_matches(d.package_name, r.package_name_pattern)) AS is_protected,
           -- A worker that continues after an outage of the database begins no new attempt.
           d.state IN statuses(CLAIMED) AND d.claim = :claim AS is_resumed,
           CASE WHEN d.state IN sources_of(DELETION_MOVES, grace) AND NOT d.grace_waived
                THEN greatest(p.grace, CASE WHEN d.cause = 'policy' THEN :policy_grace::interval END)
                ELSE interval '0' END AS grace
      -- The addition keeps the index of projects away: it would read all deletions of the project.
      FROM deletion d JOIN places p ON p.project_id = d.project_id + 0 AND p.package_type = d.package_type
     WHERE d.id = ANY(:ids::uuid[]) AND d.not_before <= now() AND p.hold IS NULL
       AND (d.state || '' IN sources_of(DELETION_MOVES, destroying)
            OR (d.state || '' IN statuses(CLAIMED) AND (d.lease_until < now() OR d.claim = :claim)))
       AND (d.attempts = 0 OR d.claim = :claim OR cardinality(:ids::uuid[]) = 1)
     ORDER BY d.id
       FOR UPDATE OF d SKIP LOCKED
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
       marked_at = CASE WHEN c.is_protected THEN d.marked_at ELSE coalesce(d.marked_at, now()) END,
       wakes = 0, held = false
  FROM claimed c
 WHERE d.id = c.id
RETURNING deletion(d.*), c.has_lapsed, c.is_protected, d.removal_began_at = now() AS is_untouched;

-- name: note_on_hold!
-- Marks deletions that a claim passed by because of a hold. The end of the hold sends for them immediately.
WITH stopped AS (
    SELECT id FROM deletion
     WHERE id = ANY(:ids::uuid[]) AND NOT held AND finished_at IS NULL AND deletion_hold_on(project_id) IS NOT NULL
     ORDER BY id FOR UPDATE SKIP LOCKED
)
UPDATE deletion d SET held = true FROM stopped WHERE d.id = stopped.id;

-- name: mark_for_destruction!
-- Safe to repeat: what is marked already stays as it is. The packages are locked first, in the order of their ids.
-- No upload can add a file to them since they were accepted, so this sees all files, however long it waits for a lock.
-- The empty text keeps the index of states away, as for end_deletions.
WITH locked AS MATERIALIZED (
    SELECT id FROM package
     WHERE id IN (SELECT package_id FROM deletion WHERE id = ANY(:ids::uuid[])) ORDER BY id FOR UPDATE
), wanted AS MATERIALIZED (
    SELECT d.id, d.package_id, d.package_file_id
      FROM (SELECT count(*) FROM locked) all_locked CROSS JOIN deletion d WHERE d.id = ANY(:ids::uuid[])
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
SELECT FROM wanted;

-- name: attempted_deletions
-- Finds the deletions of a command that were attempted before, and are due: each is claimed by itself.
SELECT id FROM deletion
 WHERE id = ANY(:ids::uuid[]) AND not_before <= now() AND attempts > 0
   AND (state IN statuses(CLAIMABLE) OR (state IN statuses(CLAIMED) AND lease_until < now()))
 ORDER BY attempts, id;

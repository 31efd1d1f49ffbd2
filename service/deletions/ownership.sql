-- name: lock_claims
-- The hold is read once for each project, and not for each deletion: a call costs as much as the rest of a row.
WITH ours AS MATERIALIZED (
    SELECT id, package_id, project_id FROM deletion
     WHERE id = ANY(:ids::uuid[]) AND claim = :claim ORDER BY id FOR UPDATE
), packages AS MATERIALIZED (
    SELECT id FROM package WHERE id IN (SELECT package_id FROM ours) ORDER BY id FOR UPDATE
), all_locked AS MATERIALIZED (
    SELECT count(*) FROM packages
), places AS MATERIALIZED (
    SELECT project_id, deletion_hold_on(project_id) AS hold FROM (SELECT DISTINCT project_id FROM ours) place
)
SELECT o.id, p.hold
  FROM all_locked CROSS JOIN ours o JOIN places p ON p.project_id = o.project_id
 ORDER BY o.id;

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

-- name: lock_claims
WITH ours AS MATERIALIZED (
    SELECT id, package_id, project_id FROM deletion
     WHERE id = ANY(:ids::uuid[]) AND claim = :claim ORDER BY id FOR UPDATE
), packages AS MATERIALIZED (
    SELECT id FROM package WHERE id IN (SELECT package_id FROM ours) ORDER BY id FOR UPDATE
)
SELECT o.id, deletion_hold_on(o.project_id) AS hold
  FROM ours o CROSS JOIN (SELECT count(*) FROM packages) locked ORDER BY o.id;

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

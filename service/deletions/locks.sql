-- name: lock_packages_of_deletions
SELECT id FROM package
 WHERE id IN (SELECT package_id FROM deletion WHERE id = ANY(:ids::uuid[])) ORDER BY id FOR UPDATE;

-- name: lock_waking!
-- The lock is kept until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('packyard.waking', 0));

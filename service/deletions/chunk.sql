-- name: next_files
-- The next chunk of our claim's files, small deletions first, so that a large one holds up nobody; none under a hold.
-- The hold is read once for each project, and not for each deletion.
WITH claimed AS MATERIALIZED (
    SELECT id, project_id, package_id, package_file_id, files_total FROM deletion
     WHERE id = ANY(:ids::uuid[]) AND claim = :claim
), places AS MATERIALIZED (
    SELECT project_id, deletion_hold_on(project_id) AS hold FROM (SELECT DISTINCT project_id FROM claimed) place
), ours AS MATERIALIZED (
    SELECT c.* FROM claimed c JOIN places p ON p.project_id = c.project_id WHERE p.hold IS NULL
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
SELECT f.id, f.storage_key, f.size, :deletion_id::uuid AS deletion_id
  FROM package_file f
 WHERE f.package_id = :package_id AND f.status IN statuses(MARKED_FILES)
   AND EXISTS (SELECT FROM deletion d
                WHERE d.id = :deletion_id AND d.claim = :claim AND deletion_hold_on(d.project_id) IS NULL)
 ORDER BY f.id LIMIT :limit;

-- name: delete_files
-- Deletes file rows, only after their objects are gone.
DELETE FROM package_file WHERE id = ANY(:package_file_ids::bigint[]) AND status IN statuses(MARKED_FILES) RETURNING id;

-- name: end_deletions
-- Deletes packages without a file row; returns the deletions that are at their end, those of single files, too.
-- The empty text keeps the index of states away from a status. A plan from a time of few deletions would use it, and
-- so each chunk would read all packages of a large bulk.
WITH packages AS (
    DELETE FROM package p USING deletion d
     WHERE d.id = ANY(:ids::uuid[]) AND d.package_file_id IS NULL AND p.id = d.package_id
       AND p.status || '' IN statuses(MARKED)
       AND NOT EXISTS (SELECT FROM package_file f WHERE f.package_id = p.id)
 RETURNING d.id
)
SELECT id FROM packages
 UNION ALL
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

-- name: unmarked_deletions
SELECT d.id FROM deletion d
 WHERE d.id = ANY(:ids::uuid[])
   AND NOT EXISTS (SELECT FROM package_file f
                    WHERE f.package_id = d.package_id AND f.status IN statuses(MARKED_FILES)
                      AND (d.package_file_id IS NULL OR f.id = d.package_file_id));

-- Queries of a check of the storage.

-- name: files_behind
-- Reads in the order of keys, as object stores list; answered from the index alone.
SELECT storage_key AS key, size FROM package_file WHERE storage_key > :position ORDER BY storage_key LIMIT :limit;

-- name: checksums_behind
SELECT storage_key AS key, size, sha256 FROM package_file WHERE storage_key > :position ORDER BY storage_key LIMIT :limit;

-- name: files_of_keys
-- is_going: a worker is removing it, or has begun to.
SELECT f.storage_key AS key, f.size, f.sha256, f.id AS package_file_id, f.file_name, f.status, f.package_id,
       p.project_id, p.package_type, concat_ws(' ', p.name, p.version) AS package,
       f.status IN statuses(MARKED_FILES) AND (
           EXISTS (SELECT FROM deletion d WHERE d.package_id = f.package_id AND d.package_file_id IS NULL
                      AND d.finished_at IS NULL AND d.removal_began_at IS NOT NULL)
           OR EXISTS (SELECT FROM deletion d WHERE d.package_file_id = f.id
                         AND d.finished_at IS NULL AND d.removal_began_at IS NOT NULL)) AS is_going
  FROM package_file f JOIN package p ON p.id = f.package_id
 WHERE f.storage_key = ANY(:keys::text[]);

-- name: delete_damaged!
DELETE FROM damaged_object;

-- name: note_damaged!
INSERT INTO damaged_object (storage_key, sha256, reason)
SELECT * FROM unnest(:keys::text[], :checksums::bytea[], :reasons::text[])
    ON CONFLICT (storage_key) DO UPDATE SET sha256 = excluded.sha256, reason = excluded.reason, found_at = now();

-- name: damaged_files_behind
SELECT d.sha256 AS found, d.reason,
       d.storage_key AS key, f.size, f.sha256, f.id AS package_file_id, f.file_name, f.status, f.package_id,
       p.project_id, p.package_type, concat_ws(' ', p.name, p.version) AS package, false AS is_going
  FROM damaged_object d JOIN package_file f ON f.storage_key = d.storage_key JOIN package p ON p.id = f.package_id
 WHERE d.storage_key > :position ORDER BY d.storage_key LIMIT :limit;

-- name: verification
SELECT verified_to, verified FROM storage_check;

-- name: note_verified!
UPDATE storage_check SET verified_to = :position, verified = :verified;

-- name: last_check
SELECT checked_at, now() AS now FROM storage_check;

-- name: note_check!
UPDATE storage_check SET checked_at = :moment, report = :report::jsonb WHERE checked_at < :moment;

-- name: check_report
SELECT report FROM storage_check;

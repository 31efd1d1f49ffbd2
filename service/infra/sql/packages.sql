-- name: list_packages
-- Composed: see package_rows.list_packages. A page beyond the end still tells the total.
-- Each project gives its first rows in the wanted order, as its indexes have them; only those are merged.
WITH page AS (
    SELECT p.*
      FROM unnest({projects}::bigint[]) AS wanted (project_id)
     CROSS JOIN LATERAL (
           SELECT p.* FROM package p
            WHERE p.project_id = wanted.project_id AND {conditions}
            ORDER BY {order_within} LIMIT {limit}::bigint + {offset}::bigint) p
     ORDER BY {order} LIMIT {limit} OFFSET {offset}
), total AS (
    SELECT count(*) AS total FROM (
        SELECT FROM package p WHERE p.project_id = ANY({projects}::bigint[]) AND {conditions}
         LIMIT {count_limit}) counted
)
SELECT total.total, p.*, package_tags(p.id) AS tags, package_pipelines(p.id) AS pipelines,
       (SELECT j.path FROM project j WHERE j.id = p.project_id) AS project_path
  FROM total LEFT JOIN page p ON true
 ORDER BY {order};

-- name: find_package
SELECT p.*, package_tags(p.id) AS tags, package_pipelines(p.id) AS pipelines
  FROM package p
 WHERE p.id = :package_id AND p.project_id = :project_id AND p.status = ANY(:statuses::text[]);

-- name: other_versions
SELECT p.id, p.version, p.created_at, package_tags(p.id) AS tags, package_pipelines(p.id) AS pipelines
  FROM package p
 WHERE p.project_id = :project_id AND p.package_type = :package_type AND p.name = :name
   AND p.version <> :version AND p.status = ANY(:statuses::text[])
 ORDER BY p.version, p.id LIMIT 10000;

-- name: list_files
WITH page AS (
    SELECT f.* FROM package_file f
     WHERE f.package_id = :package_id AND f.status = ANY(:statuses::text[])
     ORDER BY f.id LIMIT :limit OFFSET :offset
), total AS (
    SELECT count(*) AS total FROM (
        SELECT FROM package_file f
         WHERE f.package_id = :package_id AND f.status = ANY(:statuses::text[]) LIMIT :count_limit) counted
)
SELECT total.total, f.*, package_file_pipelines(f.id) AS pipelines
  FROM total LEFT JOIN page f ON true
 ORDER BY f.id;

-- name: find_newest_file
SELECT f.id, f.package_id, f.file_name, f.size, f.sha256, f.storage_key
  FROM package p JOIN package_file f ON f.package_id = p.id
 WHERE p.project_id = :project_id AND p.package_type = 'generic' AND p.name = :name AND p.version = :version
   AND p.status IN ('default', 'hidden', 'deprecated') AND f.file_name = :file_name AND f.status = 'default'
 ORDER BY f.id DESC LIMIT 1;

-- name: note_download!
UPDATE package SET last_downloaded_at = now()
 WHERE id = :package_id AND (last_downloaded_at IS NULL OR last_downloaded_at < now() - interval '1 minute');

-- name: find_or_create_generic_package
-- Takes the row's lock either way, so that no deletion comes between this and the file.
INSERT INTO package (project_id, package_type, name, version, status, creator_id)
VALUES (:project_id, 'generic', :name, :version, coalesce(:status::text, 'default'), :creator_id)
ON CONFLICT (project_id, package_type, name, version, conan_username, conan_channel)
      WHERE status IN ('default', 'hidden', 'deprecated')
   DO UPDATE SET status = coalesce(:status::text, package.status), updated_at = now()
RETURNING id;

-- name: insert_package_file
-- The lock lets whoever is in doubt about our commit wait for its end.
INSERT INTO package_file (package_id, file_name, size, md5, sha1, sha256, storage_key)
SELECT :package_id, :file_name, :size, :md5, :sha1, :sha256, :storage_key
  FROM (SELECT pg_advisory_xact_lock(hashtextextended(:storage_key::text, 0))) locked
RETURNING *;

-- name: await_commit_of_key
SELECT pg_advisory_xact_lock(hashtextextended(:storage_key::text, 0));

-- name: file_of_key
SELECT id FROM package_file WHERE storage_key = :storage_key;

-- name: any_file
SELECT 1 FROM package_file LIMIT 1;

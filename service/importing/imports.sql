-- Batches of an import. Queries first find the lines that can be refused with a reason; then come plain inserts.

-- name: lock_import!
-- One batch at a time, and none in doubt. A session that has this lock can see which earlier batches were committed.
SELECT pg_advisory_xact_lock(hashtextextended('packyard.import', 0));

-- name: find_project_ids
SELECT lower(path) AS path, id FROM project WHERE lower(path) = ANY(:paths::text[]);

-- name: find_user_ids
SELECT lower(username) AS username, id FROM directory_user WHERE lower(username) = ANY(:usernames::text[]);

-- name: find_used_ids
SELECT id FROM package WHERE :table_name::text = 'package' AND id = ANY(:ids::bigint[])
 UNION ALL
SELECT id FROM package_file WHERE :table_name::text = 'package_file' AND id = ANY(:ids::bigint[]);

-- name: find_taken
-- Finds which of these names and versions are taken, which means that an installable package has them.
WITH wanted AS (
    SELECT * FROM unnest(:places::int[], :project_ids::bigint[], :types::text[], :names::text[], :versions::text[],
        :usernames::text[], :channels::text[])
        AS w (place, project_id, package_type, name, version, conan_username, conan_channel)
)
SELECT w.place FROM wanted w CROSS JOIN LATERAL (
    -- One search of the index for each, however many packages there are.
    (SELECT FROM package p
      WHERE p.project_id = w.project_id AND p.package_type = w.package_type AND p.name = w.name
        AND p.version = w.version AND p.status IN statuses(INSTALLABLE)
        AND (p.conan_username, p.conan_channel) IS NOT DISTINCT FROM (w.conan_username, w.conan_channel) LIMIT 1)
     UNION ALL
    (SELECT FROM package p
      WHERE p.project_id = w.project_id AND p.package_type = w.package_type AND p.name = w.name
        AND p.version IS NULL AND w.version IS NULL AND p.status IN statuses(INSTALLABLE)
        AND (p.conan_username, p.conan_channel) IS NOT DISTINCT FROM (w.conan_username, w.conan_channel) LIMIT 1)
) taken;

-- name: insert_imported_packages!
INSERT INTO package (id, project_id, package_type, name, version, status, conan_username, conan_channel,
    creator_id, created_at, updated_at, last_downloaded_at)
SELECT id, project_id, package_type, name, version, status, conan_username, conan_channel,
       creator_id, coalesce(created_at, now()), coalesce(created_at, now()), last_downloaded_at
  FROM jsonb_to_recordset(:rows::jsonb) AS g(id bigint, project_id bigint, package_type text, name text,
       version text, status text, conan_username text, conan_channel text, creator_id bigint,
       created_at timestamptz, last_downloaded_at timestamptz);

-- name: insert_imported_tags!
INSERT INTO package_tag (package_id, name, created_at, updated_at)
SELECT package_id, g.name, p.created_at, p.created_at
  FROM ROWS FROM (jsonb_to_recordset(:rows::jsonb) AS (package_id bigint, name text)) WITH ORDINALITY
       AS g(package_id, name, place) JOIN package p ON p.id = g.package_id
 ORDER BY g.place;

-- name: insert_imported_builds!
INSERT INTO package_build (package_id, pipeline_id)
SELECT package_id, pipeline_id
  FROM ROWS FROM (jsonb_to_recordset(:rows::jsonb) AS (package_id bigint, pipeline_id bigint)) WITH ORDINALITY
       AS g(package_id, pipeline_id, place)
 ORDER BY place;

-- name: insert_imported_files!
INSERT INTO package_file (id, package_id, file_name, size, md5, sha1, sha256, storage_key, created_at, updated_at)
SELECT g.id, package_id, file_name, size, decode(md5, 'hex'), decode(sha1, 'hex'), decode(sha256, 'hex'), storage_key,
       coalesce(g.created_at, p.created_at), coalesce(g.created_at, p.created_at)
  FROM jsonb_to_recordset(:rows::jsonb) AS g(id bigint, package_id bigint, file_name text, size bigint, md5 text,
       sha1 text, sha256 text, storage_key text, created_at timestamptz) JOIN package p ON p.id = g.package_id;

-- name: insert_imported_file_builds!
INSERT INTO package_file_build (package_file_id, pipeline_id)
SELECT package_file_id, pipeline_id
  FROM ROWS FROM (jsonb_to_recordset(:rows::jsonb) AS (package_file_id bigint, pipeline_id bigint)) WITH ORDINALITY
       AS g(package_file_id, pipeline_id, place)
 ORDER BY place;

-- name: find_kept_objects
SELECT storage_key FROM package_file WHERE storage_key = ANY(:keys::text[]);

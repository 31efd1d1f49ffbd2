-- Batches of an import. Queries first find the lines that can be refused with a reason; then come plain inserts.

-- name: lock_import!
-- One batch at a time, and none in doubt. A session that has this lock can see which earlier batches were committed.
SELECT pg_advisory_xact_lock(hashtextextended('packyard.import', 0));

-- name: find_project_ids
SELECT lower(p.path) AS path, p.id, g.ancestry[1] AS root_group_id
  FROM project p JOIN directory_group g ON g.id = p.group_id
 WHERE lower(p.path) = ANY(:paths::text[]);

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

-- name: import_moment
-- The moment of the transaction, for rows without one of their own.
SELECT now() AS moment;

-- name: find_kept_objects
SELECT storage_key FROM package_file WHERE storage_key = ANY(:keys::text[]);

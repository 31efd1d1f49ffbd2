-- name: maven_metadata
-- The versions that have a file, in Maven's order; of more than the limit, those of the newest packages. Besides, the
-- plugins of a group, each by the newest metadata that name it.
WITH versions AS (
    SELECT p.id, p.version, p.version_order, newest.created_at
      FROM package p
      JOIN LATERAL (SELECT f.created_at FROM package_file f
                     WHERE f.package_id = p.id AND f.status IN statuses(INSTALLABLE_FILES)
                     ORDER BY f.id DESC LIMIT 1) newest ON true
     WHERE p.project_id = ANY(:project_ids::bigint[]) AND p.package_type = 'maven' AND p.name = :name
       AND p.version IS NOT NULL AND p.status IN statuses(INSTALLABLE)
     ORDER BY p.id DESC LIMIT :limit
), plugins AS (
    SELECT DISTINCT ON (g.artifact_id) g.artifact_id, g.name, g.prefix
      FROM package p JOIN package_file f ON f.package_id = p.id,
           jsonb_to_recordset(f.details -> 'plugins') g(artifact_id text, name text, prefix text)
     WHERE p.project_id = ANY(:project_ids::bigint[]) AND p.package_type = 'maven' AND p.name = :name
       AND p.version IS NULL AND p.status IN statuses(INSTALLABLE) AND f.status IN statuses(INSTALLABLE_FILES)
     ORDER BY g.artifact_id, f.id DESC
)
SELECT v.version, max(v.created_at) AS updated_at, NULL AS artifact_id, NULL AS name, NULL AS prefix,
       v.version_order, min(v.id) AS first_id
  FROM versions v GROUP BY v.version, v.version_order
UNION ALL
SELECT NULL, NULL, g.artifact_id, g.name, g.prefix, NULL, NULL
  FROM plugins g
 WHERE EXISTS (SELECT FROM package p
                WHERE p.project_id = ANY(:project_ids::bigint[]) AND p.package_type = 'maven'
                  AND p.name = :name || '/' || g.artifact_id AND p.version IS NOT NULL
                  AND p.status IN statuses(INSTALLABLE))
 ORDER BY version_order, first_id;

-- name: maven_plugins
SELECT g.artifact_id, g.name, g.prefix
  FROM package p JOIN package_file f ON f.package_id = p.id,
       jsonb_to_recordset(f.details -> 'plugins') g(artifact_id text, name text, prefix text)
 WHERE p.project_id = :project_id AND p.package_type = 'maven' AND p.name = :name AND p.version IS NULL
   AND p.status IN statuses(INSTALLABLE) AND f.status IN statuses(INSTALLABLE_FILES)
 ORDER BY f.id;

-- name: maven_snapshot_files
-- The newest build of each file: the part of its name after the build, as `-sources.jar`.
SELECT DISTINCT ON (b.part[3]) b.part[3] AS ending, b.part[1] AS timestamp, b.part[2]::int AS build,
       b.created_at AS updated_at
  FROM (SELECT regexp_match(substr(f.file_name, length(:prefix) + 1), :rest) AS part, f.created_at, f.id
          FROM package p JOIN package_file f ON f.package_id = p.id
         WHERE p.project_id = ANY(:project_ids::bigint[]) AND p.package_type = 'maven' AND p.name = :name
           AND p.version = :version AND p.status IN statuses(INSTALLABLE)
           AND f.status IN statuses(INSTALLABLE_FILES) AND starts_with(f.file_name, :prefix)) b
 WHERE b.part IS NOT NULL
 ORDER BY b.part[3], b.part[1] DESC NULLS LAST, b.part[2]::int DESC, b.id DESC LIMIT :limit;

-- name: maven_files
-- The files of that name, the newest first; each upload adds one.
SELECT f.id, f.package_id, f.file_name, f.size, f.md5, f.sha1, f.sha256, f.details ->> 'sha512' AS sha512,
       f.storage_key, p.last_downloaded_at
  FROM package p JOIN package_file f ON f.package_id = p.id
 WHERE p.project_id = ANY(:project_ids::bigint[]) AND p.package_type = 'maven' AND p.name = :name
   AND p.version = :version AND p.status IN statuses(INSTALLABLE)
   AND f.file_name = :file_name AND f.status IN statuses(INSTALLABLE_FILES)
 ORDER BY f.id DESC LIMIT :limit;

-- name: maven_duplicate
SELECT f.id
  FROM package p JOIN package_file f ON f.package_id = p.id
 WHERE p.project_id = :project_id AND p.package_type = 'maven' AND p.name = :name AND p.version = :version
   AND p.status IN statuses(INSTALLABLE) AND f.status IN statuses(INSTALLABLE_FILES)
   AND (f.file_name = :file_name OR regexp_replace(f.file_name, :build::text, '-SNAPSHOT') = :any_build)
 LIMIT 1;

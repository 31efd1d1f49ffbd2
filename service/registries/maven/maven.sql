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
-- The newest build of each file. The ending is the part of its name after the build, such as `-sources.jar`.
-- OFFSET 0 keeps the expressions from being computed again for each use.
SELECT DISTINCT ON (e.ending) e.ending, e.timestamp, e.build, e.created_at AS updated_at
  FROM (SELECT CASE WHEN r.number IS NULL THEN substr(r.rest, length('SNAPSHOT') + 1)
                    ELSE substr(r.rest, length('20261129.113535-') + length(r.number) + 1) END AS ending,
               CASE WHEN r.number IS NOT NULL THEN left(r.rest, length('20261129.113535')) END AS timestamp,
               r.number::int AS build, r.created_at, r.id
          FROM (SELECT n.rest, n.created_at, n.id,
                       CASE WHEN n.rest ~ :build
                            THEN substring(substr(n.rest, length('20261129.113535-') + 1) FROM '^[0-9]+') END AS number
                  FROM (SELECT substr(f.file_name, length(:prefix) + 1) AS rest, f.created_at, f.id
                          FROM package p JOIN package_file f ON f.package_id = p.id
                         WHERE p.project_id = ANY(:project_ids::bigint[]) AND p.package_type = 'maven'
                           AND p.name = :name AND p.version = :version AND p.status IN statuses(INSTALLABLE)
                           AND f.status IN statuses(INSTALLABLE_FILES) AND starts_with(f.file_name, :prefix)
                        OFFSET 0) n
                OFFSET 0) r
         WHERE r.number IS NOT NULL OR starts_with(r.rest, 'SNAPSHOT')
        OFFSET 0) e
 WHERE e.ending LIKE '.%' OR e.ending LIKE '-%.%'
 ORDER BY e.ending, e.timestamp DESC NULLS LAST, e.build DESC, e.id DESC LIMIT :limit;

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

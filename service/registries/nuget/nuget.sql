-- name: nuget_versions
-- The newest versions of one package in several projects, each with the newest of its files. The packages of the name
-- come first: without that, the server may read all packages by their ids.
WITH named AS MATERIALIZED (
    SELECT p.id, p.project_id, p.name, p.version
      FROM package p
     WHERE p.project_id = ANY(:project_ids::bigint[]) AND p.package_type = 'nuget'
       AND p.normal_name = normal_name('nuget', :name)
       AND (:version::text IS NULL OR p.normal_version = normal_version('nuget', :version) OR p.version = :version)
       AND p.status IN statuses(INSTALLABLE)
     ORDER BY p.id DESC
)
SELECT p.project_id, p.name, p.version, f.created_at, f.nuspec
  FROM named p
 CROSS JOIN LATERAL (SELECT f.created_at, f.details ->> 'nuspec' AS nuspec FROM package_file f
                      WHERE f.package_id = p.id AND f.status IN statuses(INSTALLABLE_FILES)
                        AND lower(f.file_name) LIKE '%.nupkg'
                      ORDER BY f.id DESC LIMIT 1) f
 ORDER BY p.id DESC LIMIT :limit;

-- name: nuget_version_names
WITH named AS MATERIALIZED (
    SELECT p.id, p.version
      FROM package p
     WHERE p.project_id = :project_id AND p.package_type = 'nuget' AND p.normal_name = normal_name('nuget', :name)
       AND p.status IN statuses(INSTALLABLE)
     ORDER BY p.id DESC
)
SELECT p.version
  FROM named p
 CROSS JOIN LATERAL (SELECT FROM package_file f
                      WHERE f.package_id = p.id AND f.status IN statuses(INSTALLABLE_FILES)
                        AND lower(f.file_name) LIKE '%.nupkg'
                      LIMIT 1) f
 ORDER BY p.id DESC LIMIT :limit;

-- name: nuget_package
-- A package of exactly that version comes first: of before the normal forms there may be two with the same.
SELECT p.id
  FROM package p
 WHERE p.project_id = :project_id AND p.package_type = 'nuget' AND p.normal_name = normal_name('nuget', :name)
   AND (p.normal_version = normal_version('nuget', :version) OR p.version = :version)
   AND p.status IN statuses(INSTALLABLE)
 ORDER BY p.version = :version DESC, p.id LIMIT 1;

-- name: nuget_file
SELECT f.id, f.package_id, f.file_name, f.size, f.sha256, f.storage_key, p.last_downloaded_at
  FROM package p JOIN package_file f ON f.package_id = p.id
 WHERE p.project_id = :project_id AND p.package_type = 'nuget' AND p.normal_name = normal_name('nuget', :name)
   AND (p.normal_version = normal_version('nuget', :version) OR p.version = :version)
   AND p.status IN statuses(INSTALLABLE)
   AND lower(f.file_name) LIKE '%' || :suffix::text AND f.status IN statuses(INSTALLABLE_FILES)
 ORDER BY p.version = :version DESC, f.id DESC LIMIT 1;

-- name: nuget_names
-- The names that have a version to show: how many there are, and a part of them in their order. The time grows with the
-- names that match, and not with all files.
WITH named AS MATERIALIZED (
    SELECT DISTINCT n.project_id, n.normal_name
      FROM package_name n
     WHERE n.project_id = ANY(:project_ids::bigint[]) AND n.package_type = 'nuget'
       AND n.name ILIKE ALL(:patterns::text[])
), shown AS MATERIALIZED (
    SELECT DISTINCT n.normal_name
      FROM named n
     CROSS JOIN LATERAL (
           SELECT FROM package p
            CROSS JOIN LATERAL (SELECT FROM package_file f
                                 WHERE f.package_id = p.id AND f.status IN statuses(INSTALLABLE_FILES)
                                   AND lower(f.file_name) LIKE '%.nupkg'
                                 LIMIT 1) f
            WHERE p.project_id = n.project_id AND p.package_type = 'nuget' AND p.normal_name = n.normal_name
              AND p.status IN statuses(INSTALLABLE)
              AND (:prerelease OR split_part(p.version, '+', 1) NOT LIKE '%-%')
            LIMIT 1) v
)
SELECT (SELECT count(*) FROM shown) AS total,
       ARRAY(SELECT normal_name FROM shown ORDER BY normal_name LIMIT :take OFFSET :skip) AS names;

-- name: nuget_found
-- The newest versions of each of a few names.
SELECT v.project_id, v.name, v.version, v.created_at, v.nuspec, n.normal_name
  FROM unnest(:names::text[]) n (normal_name)
 CROSS JOIN LATERAL (
       SELECT p.id, p.project_id, p.name, p.version, f.created_at, f.nuspec
         FROM package p
        CROSS JOIN LATERAL (SELECT f.created_at, f.details ->> 'nuspec' AS nuspec FROM package_file f
                             WHERE f.package_id = p.id AND f.status IN statuses(INSTALLABLE_FILES)
                               AND lower(f.file_name) LIKE '%.nupkg'
                             ORDER BY f.id DESC LIMIT 1) f
        WHERE p.project_id = ANY(:project_ids::bigint[]) AND p.package_type = 'nuget'
          AND p.normal_name = n.normal_name AND p.status IN statuses(INSTALLABLE)
          AND (:prerelease OR split_part(p.version, '+', 1) NOT LIKE '%-%')
        ORDER BY p.id DESC LIMIT :limit) v
 ORDER BY n.normal_name, v.id DESC;

-- name: nuget_file_in
SELECT f.id FROM package_file f
 WHERE f.package_id = :package_id AND lower(f.file_name) LIKE '%' || :suffix::text
   AND f.status IN statuses(INSTALLABLE_FILES)
 LIMIT 1;

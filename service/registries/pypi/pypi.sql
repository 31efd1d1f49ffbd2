-- name: pypi_names
SELECT DISTINCT p.normal_name
  FROM package p
 WHERE p.project_id = ANY(:project_ids::bigint[]) AND p.package_type = 'pypi' AND p.normal_name IS NOT NULL
   AND p.status IN statuses(INSTALLABLE)
   AND EXISTS (SELECT FROM package_file f
                WHERE f.package_id = p.id AND f.status IN statuses(INSTALLABLE_FILES)
                  AND normal_name('pypi', f.file_name) LIKE p.normal_name || '-%')
 ORDER BY p.normal_name LIMIT :limit;

-- name: pypi_file
SELECT f.id, f.package_id, f.file_name, f.size, f.sha256, f.storage_key, p.last_downloaded_at,
       f.details ->> 'core_metadata' AS core_metadata
  FROM package p JOIN package_file f ON f.package_id = p.id
 WHERE p.project_id = ANY(:project_ids::bigint[]) AND p.package_type = 'pypi'
   AND p.normal_name = ANY(:normal_names::text[]) AND p.status IN statuses(INSTALLABLE)
   AND f.file_name = :file_name AND f.sha256 = :sha256 AND f.status IN statuses(INSTALLABLE_FILES)
   AND normal_name('pypi', f.file_name) LIKE p.normal_name || '-%'
 ORDER BY f.id DESC LIMIT 1;

-- Packages of npm: their versions, tags and files.

-- name: npm_versions
-- The versions of that name in several projects, the highest first. A package has a row for each tarball, the newest
-- first, and for each of its tags.
SELECT p.id AS package_id, p.project_id, p.version, t.name AS tag, t.updated_at AS tagged_at
  FROM package p JOIN package_file f ON f.package_id = p.id LEFT JOIN package_tag t ON t.package_id = p.id
 WHERE p.project_id = ANY(:project_ids::bigint[]) AND p.package_type = 'npm' AND p.name = :name
   AND p.version IS NOT NULL AND p.status IN statuses(INSTALLABLE)
   AND f.status IN statuses(INSTALLABLE_FILES) AND f.file_name LIKE '%.tgz'
 ORDER BY p.version_key DESC NULLS LAST, p.id DESC, f.id DESC LIMIT :limit;

-- name: npm_file
SELECT f.id, f.package_id, f.file_name, f.size, f.sha256, f.storage_key, p.last_downloaded_at
  FROM package p JOIN package_file f ON f.package_id = p.id
 WHERE p.project_id = :project_id AND p.package_type = 'npm' AND p.name = :name AND p.status IN statuses(INSTALLABLE)
   AND f.file_name = ANY(:file_names::text[]) AND f.status IN statuses(INSTALLABLE_FILES)
 ORDER BY f.id DESC LIMIT 1;

-- name: lock_npm_name
-- Nobody else publishes a version or sets a tag of that name until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('npm ' || :project_id::bigint || ' ' || :name::text, 0));

-- name: create_npm_package
-- Nothing if there is such a version already; two that differ in their build only are the same.
INSERT INTO package (project_id, package_type, name, version, creator_id)
SELECT :project_id, 'npm', :name, :version, :creator_id
 WHERE NOT EXISTS (SELECT FROM package p
                    WHERE p.project_id = :project_id AND p.package_type = 'npm' AND p.name = :name
                      AND split_part(p.version, '+', 1) = split_part(:version::text, '+', 1)
                      AND p.status IN statuses(INSTALLABLE))
   AND lock_leaving_version(:project_id, 'npm', :name, :version)
    ON CONFLICT DO NOTHING
RETURNING id, package_type, name, version, status, true AS is_new;

-- name: has_npm_package_elsewhere
SELECT EXISTS (SELECT FROM package p JOIN project j ON j.id = p.project_id JOIN directory_group g ON g.id = j.group_id
                WHERE g.ancestry[1] = :root_group_id AND p.project_id <> :project_id AND p.package_type = 'npm'
                  AND p.name = :name AND p.version = :version AND p.status IN statuses(INSTALLABLE)) AS is_so;

-- name: lock_npm_version
SELECT p.id FROM package p
 WHERE p.project_id = :project_id AND p.package_type = 'npm' AND p.name = :name AND p.version = :version
   AND p.status IN statuses(INSTALLABLE)
   FOR UPDATE;

-- name: move_npm_tag!
-- A version that is being deleted loses its tag to another one, and does not bring it back.
WITH lost AS (
    DELETE FROM package_tag t USING package p
     WHERE p.id = t.package_id AND p.project_id = :project_id AND p.package_type = 'npm' AND p.name = :name
       AND t.name = :tag AND p.id <> :package_id
)
INSERT INTO package_tag (package_id, name) VALUES (:package_id, :tag)
    ON CONFLICT (package_id, name) DO UPDATE SET updated_at = now();

-- name: remove_npm_tag
DELETE FROM package_tag t USING package p
 WHERE p.id = t.package_id AND p.project_id = :project_id AND p.package_type = 'npm' AND p.name = :name
   AND t.name = :tag AND p.status IN statuses(INSTALLABLE)
RETURNING t.id;

-- name: deprecate_npm_versions!
-- An empty text ends it. A hidden version stays hidden.
WITH wanted AS (
    SELECT p.id, w.text
      FROM unnest(:versions::text[], :texts::text[]) AS w (version, text)
      JOIN package p ON p.version = w.version
     WHERE p.project_id = :project_id AND p.package_type = 'npm' AND p.name = :name AND p.status IN statuses(INSTALLABLE)
       FOR UPDATE OF p
), written AS (
    UPDATE package_file f
       SET details = CASE WHEN w.text = '' THEN f.details - 'deprecation'
                          ELSE coalesce(f.details, '{}') || jsonb_build_object('deprecation', w.text) END
      FROM wanted w
     WHERE f.package_id = w.id AND f.details ->> 'deprecation' IS DISTINCT FROM nullif(w.text, '')
), shown AS (
    UPDATE package SET status = 'default', updated_at = now() FROM wanted w
     WHERE package.id = w.id AND w.text = '' AND package.status IN statuses(DISCOURAGED)
       AND package.status IN sources_of(PACKAGE_MOVES, default)
)
UPDATE package SET status = 'deprecated', updated_at = now() FROM wanted w
 WHERE package.id = w.id AND w.text <> '' AND package.status IN statuses(INSTALLABLE)
   AND package.status IN sources_of(PACKAGE_MOVES, deprecated);

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

-- name: npm_packument
-- Composed: see packument_text. One row: the metadata of a name, whose text is made only for a client that does not have
-- it. The newest of several packages with one version counts, with its newest tarball.
WITH visit AS MATERIALIZED (
    {visit}
), packages AS MATERIALIZED (
    SELECT p.id, p.project_id, p.version, p.version_key, p.created_at, p.updated_at
      FROM visit v JOIN package p ON p.project_id = ANY(v.ids)
     WHERE p.package_type = 'npm' AND p.name = {name} AND p.version IS NOT NULL AND p.status IN statuses(INSTALLABLE)
), named AS MATERIALIZED (
    SELECT p.*, f.id AS file_id, f.file_name, f.sha1, f.details
      FROM packages p JOIN package_file f ON f.package_id = p.id
     WHERE f.status IN statuses(INSTALLABLE_FILES) AND f.file_name LIKE '%.tgz'
     ORDER BY p.version_key DESC NULLS LAST, p.id DESC, f.id DESC LIMIT {limit}
), shown AS MATERIALIZED (
    SELECT n.*, row_number() OVER (ORDER BY n.version_key DESC NULLS LAST, n.id DESC) AS place
      FROM (SELECT DISTINCT ON (n.version) n.* FROM named n ORDER BY n.version, n.id DESC, n.file_id DESC) n
), tags AS MATERIALIZED (
    SELECT 'latest' AS name, s.version, 0 AS is_set
      FROM (SELECT s.version FROM shown s
             ORDER BY split_part(s.version, '+', 1) LIKE '%-%', s.place LIMIT 1) s
    UNION ALL
    SELECT * FROM (
        SELECT DISTINCT ON (g.name) g.name, n.version, 1
          FROM named n JOIN package_tag g ON g.package_id = n.id
         ORDER BY g.name, g.updated_at DESC, n.version_key DESC NULLS LAST, n.id DESC) g
), tagged AS MATERIALIZED (
    SELECT b.base, left(encode(sha256(convert_to(
               concat_ws(' ', 'v1', {form}, b.base, {name})
               || (SELECT string_agg(concat_ws(' ', s.id, s.file_id, s.updated_at,
                                               to_json(s.details ->> 'deprecation')), ',' ORDER BY s.place) FROM shown s)
               || (SELECT string_agg(concat_ws(' ', g.name, g.version), ',' ORDER BY g.is_set, g.name) FROM tags g),
               'UTF8')), 'hex'), 32) AS tag
      FROM (SELECT {base} AS base) b
)
SELECT t.tag, made.*
  FROM tagged t
  LEFT JOIN LATERAL (
        SELECT convert_to(string_agg({version}, ',' ORDER BY s.place), 'UTF8') AS versions,
               convert_to(string_agg({time}, ',' ORDER BY s.place DESC), 'UTF8') AS times,
               convert_to({created}, 'UTF8') AS created, convert_to({modified}, 'UTF8') AS modified,
               concat(count(*), '-', left(encode(sha256(convert_to(
                   string_agg(s.id::text, ',' ORDER BY s.id), 'UTF8')), 'hex'), 32)) AS revision,
               (SELECT convert_to(json_object_agg(g.name, g.version ORDER BY g.name)::text, 'UTF8')
                  FROM (SELECT DISTINCT ON (g.name) g.* FROM tags g ORDER BY g.name, g.is_set DESC) g) AS tags
          FROM shown s) made ON NOT ARRAY[t.tag, '*'] && {known};

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

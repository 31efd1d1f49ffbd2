-- name: list_packages
-- Composed: see package_rows.list_packages. A page beyond the end still has the total.
WITH page AS (
    SELECT p.* FROM {source} ORDER BY {order} LIMIT {limit} OFFSET {offset}
), total AS (
    SELECT count(*) AS total FROM (
        SELECT FROM package p WHERE p.project_id = ANY({projects}) AND {conditions}
         LIMIT {count_limit}) counted
)
SELECT total.total, p.*, package_tags(p.id) AS tags, package_pipelines(p.id) AS pipelines,
       (SELECT j.path FROM project j WHERE j.id = p.project_id) AS project_path
  FROM total LEFT JOIN page p ON true
 ORDER BY {order};

-- name: list_packages_behind
-- Composed: the same without a total, from a position on.
SELECT p.*, package_tags(p.id) AS tags, package_pipelines(p.id) AS pipelines,
       (SELECT j.path FROM project j WHERE j.id = p.project_id) AS project_path
  FROM (SELECT p.* FROM {source} ORDER BY {order} LIMIT {limit} OFFSET {offset}) p
 ORDER BY {order};

-- name: find_package
SELECT p.*, package_tags(p.id) AS tags, package_pipelines(p.id) AS pipelines
  FROM package p
 WHERE p.id = :package_id AND p.project_id = :project_id AND p.status = ANY(:statuses::text[]);

-- name: other_versions
SELECT p.id, p.project_id, p.version, p.created_at, package_tags(p.id) AS tags, package_pipelines(p.id) AS pipelines
  FROM package p
 WHERE p.project_id = :project_id AND p.package_type = :package_type AND p.name = :name
   AND p.version IS DISTINCT FROM :version::text AND p.version IS NOT NULL AND p.status = ANY(:statuses::text[])
 ORDER BY p.version, p.id LIMIT 10000;

-- name: list_files
-- Composed: see package_rows.list_files.
WITH page AS (
    SELECT f.* FROM package_file f
     WHERE f.package_id = {package_id} AND f.status = ANY({statuses})
     ORDER BY {order} LIMIT {limit} OFFSET {offset}
), total AS (
    SELECT count(*) AS total FROM (
        SELECT FROM package_file f
         WHERE f.package_id = {package_id} AND f.status = ANY({statuses})
         LIMIT {count_limit}) counted
)
SELECT total.total, f.*, package_file_pipelines(f.id) AS pipelines
  FROM total LEFT JOIN page f ON true
 ORDER BY {order};

-- name: find_file
SELECT f.id, f.package_id, f.file_name, f.size, f.sha256, f.storage_key, p.last_downloaded_at
  FROM package_file f JOIN package p ON p.id = f.package_id
 WHERE f.id = :package_file_id AND f.package_id = :package_id AND f.status = :status;

-- name: pipelines_behind
SELECT pipeline_entity(p) AS pipeline
  FROM package_build b JOIN pipeline p ON p.id = b.pipeline_id
 WHERE b.package_id = :package_id AND (:position::bigint IS NULL OR b.pipeline_id < :position)
 ORDER BY b.pipeline_id DESC LIMIT :limit;

-- name: pipelines_before
SELECT pipeline_entity(p) AS pipeline
  FROM package_build b JOIN pipeline p ON p.id = b.pipeline_id
 WHERE b.package_id = :package_id AND (:position::bigint IS NULL OR b.pipeline_id > :position)
 ORDER BY b.pipeline_id ASC LIMIT :limit;

-- name: find_newest_file
SELECT f.id, f.package_id, f.file_name, f.size, f.sha256, f.storage_key, p.last_downloaded_at
  FROM package p JOIN package_file f ON f.package_id = p.id
 WHERE p.project_id = :project_id AND p.package_type = 'generic' AND p.name = :name AND p.version = :version
   AND p.status IN ('default', 'hidden', 'deprecated') AND f.file_name = :file_name AND f.status = 'default'
 ORDER BY f.id DESC LIMIT 1;

-- name: note_first_download!
-- A download waits for no lock: if the package is locked, the note is written later, with the others.
UPDATE package p SET last_downloaded_at = :moment
 WHERE p.id IN (SELECT id FROM package WHERE id = :package_id AND last_downloaded_at IS NULL
                   FOR NO KEY UPDATE SKIP LOCKED);

-- name: note_downloads!
-- Locks in the order of ids, so that two processes that write the same packages never wait for each other in a circle.
WITH noted AS (
    SELECT p.id, d.moment
      FROM package p JOIN unnest(:package_ids::bigint[], :moments::timestamptz[]) AS d(id, moment) ON d.id = p.id
     WHERE p.last_downloaded_at IS NULL OR p.last_downloaded_at < d.moment - interval '1 minute'
     ORDER BY p.id
       FOR NO KEY UPDATE OF p
)
UPDATE package p SET last_downloaded_at = noted.moment FROM noted WHERE noted.id = p.id;

-- name: find_or_create_generic_package
-- Takes the row lock either way, so that no deletion comes between this and the file. A package in error is taken only
-- if no installable one has the name, and no deletion was ever asked for it.
WITH broken AS (
    SELECT e.id FROM package e
     WHERE e.project_id = :project_id AND e.package_type = 'generic' AND e.name = :name AND e.version = :version
       AND e.status = 'error'
       AND NOT EXISTS (SELECT FROM package i
                        WHERE i.project_id = :project_id AND i.package_type = 'generic' AND i.name = :name
                          AND i.version = :version AND i.status IN ('default', 'hidden', 'deprecated'))
       AND NOT EXISTS (SELECT FROM deletion d
                        WHERE d.project_id = :project_id AND d.package_id = e.id AND d.package_file_id IS NULL)
     ORDER BY e.id DESC LIMIT 1 FOR UPDATE
), taken AS (
    UPDATE package p SET status = coalesce(:status::text, p.status), updated_at = now()
      FROM broken WHERE p.id = broken.id
 RETURNING p.id
), made AS (
    INSERT INTO package (project_id, package_type, name, version, status, creator_id)
    SELECT :project_id, 'generic', :name, :version, coalesce(:status::text, 'default'), :creator_id
     WHERE NOT EXISTS (SELECT FROM taken)
        ON CONFLICT (project_id, package_type, name, version, conan_username, conan_channel)
     WHERE status IN ('default', 'hidden', 'deprecated')
        DO UPDATE SET status = coalesce(:status::text, package.status), updated_at = now()
 RETURNING id
)
SELECT id FROM taken UNION ALL SELECT id FROM made;

-- name: find_duplicates_setting
-- The nearest group that has a value counts, for each of the two settings.
-- PostgreSQL reads the pattern: in a time that grows with the name, whatever the pattern is.
SELECT coalesce((SELECT g.generic_duplicates_allowed FROM directory_group g
                  WHERE g.id = ANY(:ancestry::bigint[]) AND g.generic_duplicates_allowed IS NOT NULL
                  ORDER BY cardinality(g.ancestry) DESC LIMIT 1), true) AS is_allowed,
       coalesce((SELECT g.generic_duplicate_exception_regex <> ''
                        AND (:name::text ~ ('^(?:' || g.generic_duplicate_exception_regex || ')$')
                             OR :version::text ~ ('^(?:' || g.generic_duplicate_exception_regex || ')$'))
                   FROM directory_group g
                  WHERE g.id = ANY(:ancestry::bigint[]) AND g.generic_duplicate_exception_regex IS NOT NULL
                  ORDER BY cardinality(g.ancestry) DESC LIMIT 1), false) AS is_excepted;

-- name: find_duplicate
-- Searches the package that has that name now; find_duplicate_in searches one that is known and locked.
SELECT f.id FROM package p JOIN package_file f ON f.package_id = p.id
 WHERE p.project_id = :project_id AND p.package_type = 'generic' AND p.name = :name AND p.version = :version
   AND p.status IN ('default', 'hidden', 'deprecated') AND f.file_name = :file_name AND f.status = 'default'
 LIMIT 1;

-- name: find_duplicate_in
SELECT f.id FROM package_file f
 WHERE f.package_id = :package_id AND f.file_name = :file_name AND f.status = 'default'
 LIMIT 1;

-- name: insert_build!
WITH package_has_it AS (
    INSERT INTO package_build (package_id, pipeline_id) VALUES (:package_id, :pipeline_id) ON CONFLICT DO NOTHING
)
INSERT INTO package_file_build (package_file_id, pipeline_id) VALUES (:package_file_id, :pipeline_id);

-- name: insert_package_file
-- A session that is in doubt about our commit waits for this lock, which we hold until the commit ends.
INSERT INTO package_file (package_id, file_name, size, md5, sha1, sha256, storage_key)
SELECT :package_id, :file_name, :size, :md5, :sha1, :sha256, :storage_key
  FROM (SELECT pg_advisory_xact_lock(hashtextextended(:storage_key::text, 0))) locked
RETURNING package_file(package_file.*);

-- name: await_commit_of_key
SELECT pg_advisory_xact_lock(hashtextextended(:storage_key::text, 0));

-- name: file_of_key
SELECT id FROM package_file WHERE storage_key = :storage_key;

-- name: any_file
SELECT 1 FROM package_file LIMIT 1;

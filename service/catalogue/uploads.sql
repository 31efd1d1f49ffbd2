-- Writes packages and their files.

-- name: find_or_create_exact_package
-- Takes the row lock either way, so that no deletion comes between this and the file. A package in error is taken only
-- if no installable one has the name, and no deletion was ever asked for it.
-- A row that this statement has inserted has no xmax; one that it found is locked, and then has one.
WITH broken AS (
    SELECT e.id FROM package e
     WHERE e.project_id = :project_id AND e.package_type = :package_type AND e.name = :name AND e.version = :version
       AND e.status IN statuses(IN_ERROR)
       AND NOT EXISTS (SELECT FROM package i
                        WHERE i.project_id = :project_id AND i.package_type = :package_type AND i.name = :name
                          AND i.version = :version AND i.status IN statuses(INSTALLABLE))
       AND NOT EXISTS (SELECT FROM deletion d
                        WHERE d.project_id = :project_id AND d.package_id = e.id AND d.package_file_id IS NULL)
     ORDER BY e.id DESC LIMIT 1 FOR UPDATE
), taken AS (
    UPDATE package p SET status = coalesce(:status::text, p.status), updated_at = now()
      FROM broken WHERE p.id = broken.id
 RETURNING p.id, p.package_type, p.name, p.version, p.status, false AS is_new
), made AS (
    INSERT INTO package (project_id, package_type, name, version, status, creator_id)
    SELECT :project_id, :package_type, :name, :version, coalesce(:status::text, :first_status), :creator_id
     WHERE NOT EXISTS (SELECT FROM taken) AND lock_leaving_version(:project_id, :package_type, :name, :version)
        ON CONFLICT (project_id, package_type, name, version, conan_username, conan_channel)
     WHERE status IN statuses(INSTALLABLE)
        DO UPDATE SET status = coalesce(:status::text, package.status), updated_at = now()
 RETURNING id, package_type, name, version, status, xmax = 0 AS is_new
)
SELECT id, package_type, name, version, status, is_new FROM taken
 UNION ALL
SELECT id, package_type, name, version, status, is_new FROM made;

-- name: find_or_create_package
-- Takes the row lock either way, so that no deletion comes between this and the file. A package of exactly that name
-- and version comes first: of before the normal forms there may be two with the same.
WITH found AS (
    SELECT p.id FROM package p
     WHERE p.project_id = :project_id AND p.package_type = :package_type
       AND p.normal_name = normal_name(:package_type, :name)
       AND ((p.name, p.version) = (:name, :version)
            OR p.normal_version = normal_version(:package_type, :version))
       AND p.status IN statuses(INSTALLABLE)
     ORDER BY (p.name, p.version) = (:name, :version) DESC, p.id LIMIT 1 FOR UPDATE
), taken AS (
    UPDATE package p SET updated_at = now() FROM found WHERE p.id = found.id
 RETURNING p.id, p.package_type, p.name, p.version, p.status, false AS is_new
), made AS (
    INSERT INTO package (project_id, package_type, name, version, creator_id)
    SELECT :project_id, :package_type, :name, :version, :creator_id
     WHERE NOT EXISTS (SELECT FROM taken) AND lock_leaving_version(:project_id, :package_type, :name, :version)
        ON CONFLICT (project_id, package_type, normal_name, normal_version)
     WHERE status IN statuses(INSTALLABLE) AND normal_name IS NOT NULL
        DO UPDATE SET updated_at = now()
 RETURNING id, package_type, name, version, status, xmax = 0 AS is_new
)
SELECT id, package_type, name, version, status, is_new FROM taken
 UNION ALL
SELECT id, package_type, name, version, status, is_new FROM made;

-- name: find_duplicates_setting
-- The nearest group that has a value counts, for each of the two settings of a type.
-- PostgreSQL reads the pattern: in a time that grows with the name, whatever the pattern is.
WITH settings AS (
    SELECT cardinality(g.ancestry) AS depth,
           CASE :package_type::text WHEN 'maven' THEN g.maven_duplicates_allowed
                                    WHEN 'nuget' THEN g.nuget_duplicates_allowed
                                    ELSE g.generic_duplicates_allowed END AS is_allowed,
           CASE :package_type::text WHEN 'maven' THEN g.maven_duplicate_exception_regex
                                    WHEN 'nuget' THEN g.nuget_duplicate_exception_regex
                                    ELSE g.generic_duplicate_exception_regex END AS exception
      FROM directory_group g WHERE g.id = ANY(:ancestry::bigint[])
)
SELECT coalesce((SELECT s.is_allowed FROM settings s WHERE s.is_allowed IS NOT NULL
                  ORDER BY s.depth DESC LIMIT 1), true) AS is_allowed,
       coalesce((SELECT s.exception <> '' AND (:name::text ~ ('^(?:' || s.exception || ')$')
                                               OR :version::text ~ ('^(?:' || s.exception || ')$'))
                   FROM settings s WHERE s.exception IS NOT NULL
                  ORDER BY s.depth DESC LIMIT 1), false) AS is_excepted;

-- name: find_duplicate
-- Searches the package that has that name now; find_duplicate_in searches one that is known and locked.
SELECT f.id FROM package p JOIN package_file f ON f.package_id = p.id
 WHERE p.project_id = :project_id AND p.package_type = 'generic' AND p.name = :name AND p.version = :version
   AND p.status IN statuses(INSTALLABLE) AND f.file_name = :file_name AND f.status IN statuses(INSTALLABLE_FILES)
 LIMIT 1;

-- name: find_duplicate_in
SELECT f.id FROM package_file f
 WHERE f.package_id = :package_id AND f.file_name = :file_name AND f.status IN statuses(INSTALLABLE_FILES)
 LIMIT 1;

-- name: insert_build!
WITH package_has_it AS (
    INSERT INTO package_build (package_id, pipeline_id) VALUES (:package_id, :pipeline_id) ON CONFLICT DO NOTHING
)
INSERT INTO package_file_build (package_file_id, pipeline_id) VALUES (:package_file_id, :pipeline_id);

-- name: insert_package_file
-- A session that is in doubt about our commit waits for this lock, which we hold until the commit ends.
-- The event goes to the outbox in the same statement, which knows the number of the file.
WITH file AS (
    INSERT INTO package_file (package_id, file_name, size, md5, sha1, sha256, storage_key, details)
    SELECT :package_id, :file_name, :size, :md5, :sha1, :sha256, :storage_key, :details::jsonb
      FROM (SELECT pg_advisory_xact_lock(hashtextextended(:storage_key::text, 0))) locked
 RETURNING id, package_id, file_name, status, size, sha256, created_at, updated_at
), announced AS (
    INSERT INTO outbox (id, kind, routing_key, body)
    SELECT :event_id, :event_kind, :event_key,
           jsonb_set(:event::jsonb, '{data,package_files,0,id}', to_jsonb(file.id))
      FROM file
)
SELECT id, package_id, file_name, status, size, sha256, created_at, updated_at FROM file;

-- name: await_commit_of_key
SELECT pg_advisory_xact_lock(hashtextextended(:storage_key::text, 0));

-- name: file_of_key
SELECT id FROM package_file WHERE storage_key = :storage_key;

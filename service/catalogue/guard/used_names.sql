-- Versions of deleted packages, and the rules that keep them from being published again.

-- name: mode_against_version
SELECT mode_against(:project_id, :package_type, used_name(:package_type, :name, NULL, NULL),
                    used_form(:package_type, :version)) AS mode;

-- name: await_leaving_package
-- Waits for a worker that is about to end the last package of that version, or lets it wait. Nothing if it is gone.
SELECT p.id FROM used_version u JOIN package p ON p.id = u.package_id
 WHERE u.project_id = :project_id AND u.package_type = :package_type
   AND u.name = used_name(:package_type, :name, NULL, NULL) AND u.version = used_form(:package_type, :version)
   FOR KEY SHARE OF p;

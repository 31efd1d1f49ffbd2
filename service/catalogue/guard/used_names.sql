-- Versions of deleted packages, and the rules that keep them from being published again.

-- name: mode_against_version
SELECT mode_against(:project_id, :package_type, used_name(:package_type, :name, NULL, NULL),
                    used_form(:package_type, :version)) AS mode;

-- name: await_leaving_package
-- Lets a worker wait that would end the last package of that version. Nothing if it is gone. The transaction has the
-- lock already, unless the deletion was accepted in between; then it is lost, since it must not wait here.
SELECT p.id FROM used_version u JOIN package p ON p.id = u.package_id
 WHERE u.project_id = :project_id AND u.package_type = :package_type
   AND u.name = used_name(:package_type, :name, NULL, NULL) AND u.version = used_form(:package_type, :version)
   FOR KEY SHARE OF p NOWAIT;

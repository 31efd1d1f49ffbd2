-- name: lock_deletions_of_batch
SELECT deletion(deletion.*) FROM deletion
 WHERE batch_id = :batch_id AND (:project_ids::bigint[] IS NULL OR project_id = ANY(:project_ids))
 ORDER BY id FOR UPDATE;

-- name: obstacles_to_restoring
-- Why some of these locked deletions cannot be undone, though their states would allow it. None of them has begun to
-- remove anything itself.
SELECT id, obstacle FROM (
    SELECT d.id,
           CASE WHEN d.package_file_id IS NOT NULL AND f.id IS NULL THEN 'gone'
                WHEN d.package_file_id IS NOT NULL AND p.status NOT IN statuses(DISPLAYABLE) THEN 'package_deleted'
                WHEN d.state IN statuses(FAILED) AND coalesce(
                     CASE WHEN d.package_file_id IS NULL THEN p.status ELSE f.status END NOT IN statuses(IN_ERROR), true) THEN 'not_in_error'
                WHEN d.package_file_id IS NOT NULL THEN NULL
                WHEN d.files_total > 0 AND p.package_type <> 'ml_model'
                     AND NOT EXISTS (SELECT FROM package_file g WHERE g.package_id = p.id) THEN 'emptied'
                WHEN d.state IN statuses(ATTEMPTED) AND d.prior_status NOT IN statuses(IN_ERROR) AND d.package_id IN (
                        SELECT o.package_id FROM deletion o
                         WHERE o.project_id IN (SELECT project_id FROM deletion WHERE id = ANY(:ids::uuid[]))
                           AND o.package_file_id IS NULL AND o.state IN statuses(FAILED) AND o.removal_began_at IS NOT NULL)
                     THEN 'begun'
                WHEN d.prior_status IN statuses(INSTALLABLE) AND EXISTS (
                        SELECT FROM package o
                         WHERE o.project_id = p.project_id AND o.package_type = p.package_type AND o.name = p.name
                           AND o.version IS NOT DISTINCT FROM coalesce(:version::text, p.version)
                           AND o.conan_username IS NOT DISTINCT FROM p.conan_username
                           AND o.conan_channel IS NOT DISTINCT FROM p.conan_channel
                           AND o.status IN statuses(INSTALLABLE)
                        UNION ALL
                        SELECT FROM package o
                         WHERE o.project_id = p.project_id AND o.package_type = p.package_type
                           AND o.normal_name = p.normal_name
                           AND o.normal_version = normal_version(p.package_type, coalesce(:version::text, p.version))
                           AND o.status IN statuses(INSTALLABLE))
                     THEN 'taken'
                WHEN used_form(p.package_type, :version::text) <> used_form(p.package_type, p.version)
                     AND mode_against(p.project_id, p.package_type,
                                      used_name(p.package_type, p.name, p.conan_username, p.conan_channel),
                                      used_form(p.package_type, :version::text)) IS NOT NULL
                     THEN 'used' END AS obstacle
      FROM deletion d
      LEFT JOIN package p ON p.id = d.package_id
      LEFT JOIN package_file f ON f.id = d.package_file_id
     WHERE d.id = ANY(:ids::uuid[])) found
 WHERE obstacle IS NOT NULL;

-- name: restore_packages!
UPDATE package p
   SET status = d.prior_status, version = coalesce(:version::text, p.version), updated_at = now()
  FROM deletion d
 WHERE d.id = ANY(:ids::uuid[]) AND d.package_file_id IS NULL AND p.id = d.package_id
   AND (p.status IN statuses(BEING_DELETED) OR (d.state IN statuses(FAILED) AND p.status IN statuses(IN_ERROR)));

-- name: restore_files!
-- A file that is being deleted by itself stays so. A file may have lost its object if a deletion of it, or of its
-- package, failed. The packages are restored already, so a package in error was in error before. The failed deletions
-- of the project are therefore searched only once.
UPDATE package_file f
   SET status = CASE WHEN EXISTS (
                         SELECT FROM deletion o
                          WHERE o.package_file_id = f.id AND o.state IN statuses(FAILED) AND o.id <> d.id
                            AND o.removal_began_at IS NOT NULL)
                       OR (EXISTS (SELECT FROM package p WHERE p.id = d.package_id AND p.status IN statuses(IN_ERROR))
                           AND d.package_id IN (
                             SELECT o.package_id FROM deletion o
                              WHERE o.project_id IN (SELECT project_id FROM deletion WHERE id = ANY(:ids::uuid[]))
                                AND o.package_file_id IS NULL AND o.state IN statuses(FAILED)
                                AND o.removal_began_at IS NOT NULL))
                     THEN 'error' ELSE 'default' END,
       updated_at = now()
  FROM deletion d
 WHERE d.id = ANY(:ids::uuid[])
   AND f.package_id = d.package_id AND (d.package_file_id IS NULL OR f.id = d.package_file_id)
   AND (f.status IN statuses(FILES_BEING_DELETED)
        OR (d.state IN statuses(ATTEMPTED) AND f.status IN statuses(FILES_IN_ERROR)))
   AND NOT EXISTS (SELECT FROM deletion o
                    WHERE o.package_file_id = f.id AND o.finished_at IS NULL AND o.id <> d.id);

-- name: end_as_restored
UPDATE deletion SET state = 'restored', finished_at = now(), restored_as = :version::text
 WHERE id = ANY(:ids::uuid[]) AND state IN sources_of(DELETION_MOVES, restored) RETURNING deletion(deletion.*);

-- name: release_spared_deletions!
-- Lets go of claimed deletions that are about to end as restored: nothing was removed.
UPDATE deletion d SET state = 'retrying', claim = NULL, lease_until = NULL, removal_began_at = NULL
 WHERE d.id = ANY(:ids::uuid[]) AND d.state IN statuses(CLAIMED) AND d.state IN sources_of(DELETION_MOVES, retrying);

-- name: pause_undone_rule!
-- A retention rule pauses when all that one of its runs has asked for is undone. batch_id: that of the run.
UPDATE retention_rule r SET paused_at = now(), pause_reason = 'its run ' || n.id || ' was undone'
  FROM retention_run n
 WHERE n.id = :batch_id AND r.id = n.rule_id AND r.paused_at IS NULL
   AND NOT EXISTS (SELECT FROM deletion d WHERE d.batch_id = n.id AND d.finished_at IS NULL);

-- name: end_undone_run!
-- A run that is undone before its end asks for no more.
UPDATE retention_run n SET state = 'undone', finished_at = now()
 WHERE n.id = :batch_id AND n.finished_at IS NULL
   AND NOT EXISTS (SELECT FROM deletion d WHERE d.batch_id = n.id AND d.finished_at IS NULL);

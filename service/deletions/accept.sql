-- name: lock_package
-- Locks the package until the transaction ends, if it may be deleted; level: of the caller, in its project.
SELECT p.id, p.status, p.updated_at, deletion_hold_on(p.project_id) AS hold,
       EXISTS (SELECT FROM protection_rule r
                WHERE r.project_id = p.project_id AND r.package_type = p.package_type
                  AND r.minimum_access_level_for_delete > :level
                  AND name_matches(p.name, r.package_name_pattern)) AS is_protected
  FROM package p
 WHERE p.project_id = :project_id AND p.id = :package_id AND p.status IN statuses(DISPLAYABLE)
   FOR UPDATE;

-- name: accept_package
-- Hides one package, inserts its deletion, and writes event and command: all that a DELETE needs is one round trip.
-- No row, and no change, if anything is against it or the package has just changed. `lock_package` then says why. If this
-- waited for an upload, it does not see the new file. The package then has another xmin than at the beginning.
-- There are no arrays, so PostgreSQL keeps the plan: planning would take twice as long as the rest.
-- Workers that have time hear of it immediately; see workers/deleter/announced.py.
WITH locked AS (
    SELECT p.id, p.xmin AS seen, p.status AS prior_status FROM package p
     WHERE p.project_id = :project_id AND p.id = :package_id AND p.status IN statuses(DISPLAYABLE)
       AND (:unmodified_since::timestamptz IS NULL OR date_trunc('second', p.updated_at) <= :unmodified_since)
       AND deletion_hold_on(p.project_id) IS NULL
       AND NOT EXISTS (SELECT FROM protection_rule r
                        WHERE r.project_id = p.project_id AND r.package_type = p.package_type
                          AND r.minimum_access_level_for_delete > :level
                          AND name_matches(p.name, r.package_name_pattern))
       FOR UPDATE
), moved AS (
    UPDATE package p SET status = 'processing', updated_at = now()
      FROM locked l
     WHERE p.id = l.id AND p.xmin = l.seen AND p.status IN sources_of(PACKAGE_MOVES, processing)
 RETURNING p.id, p.project_id, p.package_type, p.name, p.version, l.prior_status
), accepted AS (
    INSERT INTO deletion (id, request_event_id, project_id, root_group_id, package_id, package_type, package_name,
        package_version, prior_status, lane, cause, reason, requested_by, requested_level, credential, request_id,
        batch_id, files_total, bytes_total, wake_at)
    SELECT :deletion_id, :event_id, p.project_id, g.ancestry[1], p.id, p.package_type, p.name,
        p.version, p.prior_status, :lane, :cause, :reason, :requested_by, :level, :credential, :request_id,
        :batch_id, t.files, t.bytes, now() + :resend::interval
      FROM moved p JOIN project j ON j.id = p.project_id JOIN directory_group g ON g.id = j.group_id
     CROSS JOIN LATERAL (SELECT count(*) AS files, coalesce(sum(f.size), 0)::bigint AS bytes
                           FROM package_file f WHERE f.package_id = p.id) t
 RETURNING deletion AS d
), written AS (
    INSERT INTO outbox (id, kind, routing_key, body)
    SELECT (a.d).request_event_id, 'event',
           concat_ws('.', :topic::text, (a.d).package_type, (a.d).root_group_id, (a.d).project_id),
           deletion_event(a.d, :topic, (a.d).request_event_id, :moment, (a.d).files_total, (a.d).bytes_total, '{}')
      FROM accepted a
     UNION ALL
    SELECT :command_id::uuid, 'command', :command_key, :command::jsonb FROM accepted
)
SELECT (a.d).id, (a.d).project_id, (a.d).package_id, (a.d).package_type, (a.d).cause, (a.d).files_total,
       (a.d).bytes_total, pg_notify('packyard_deletions', (a.d).id::text)
  FROM accepted a;

-- name: lock_file
-- The one file of a locked package, if it may be deleted.
SELECT updated_at FROM package_file
 WHERE id = :package_file_id AND package_id = :package_id AND status IN statuses(DISPLAYABLE_FILES)
   FOR UPDATE;

-- name: insert_package_deletions
-- Hides locked packages, inserts their deletions, and writes events and commands: an acceptance is one round trip.
-- level: of the caller, in the project of each package.
WITH moved AS (
    UPDATE package SET status = 'processing', updated_at = now()
     WHERE id = ANY(:package_ids::bigint[]) AND status IN sources_of(PACKAGE_MOVES, processing)
 RETURNING id, project_id, package_type, name, version
), wanted AS (
    SELECT * FROM unnest(:deletion_ids::uuid[], :event_ids::uuid[], :package_ids::bigint[], :prior_statuses::text[],
        :levels::smallint[]) AS w (deletion_id, event_id, package_id, prior_status, level)
), totals AS (
    SELECT package_id, count(*) AS files, sum(size)::bigint AS bytes FROM package_file
     WHERE package_id = ANY(:package_ids::bigint[]) GROUP BY package_id
), accepted AS (
    INSERT INTO deletion (id, request_event_id, project_id, root_group_id, package_id, package_type, package_name,
        package_version, prior_status, lane, cause, reason, requested_by, requested_level, credential, request_id,
        batch_id, files_total, bytes_total, wake_at)
    SELECT w.deletion_id, w.event_id, p.project_id, g.ancestry[1], p.id, p.package_type, p.name,
        p.version, w.prior_status, :lane, :cause, :reason, :requested_by, w.level, :credential, :request_id,
        :batch_id::uuid, coalesce(t.files, 0), coalesce(t.bytes, 0), now() + :resend::interval
      FROM wanted w JOIN moved p ON p.id = w.package_id
      JOIN project j ON j.id = p.project_id JOIN directory_group g ON g.id = j.group_id
      LEFT JOIN totals t ON t.package_id = w.package_id
 RETURNING deletion AS d
), written AS (
    INSERT INTO outbox (id, kind, routing_key, body)
    SELECT (a.d).request_event_id, 'event',
           concat_ws('.', :topic::text, (a.d).package_type, (a.d).root_group_id, (a.d).project_id),
           deletion_event(a.d, :topic, (a.d).request_event_id, :moment, (a.d).files_total, (a.d).bytes_total, '{}')
      FROM accepted a
     UNION ALL
    SELECT c.id, 'command', :command_key, c.body FROM unnest(:command_ids::uuid[], :commands::jsonb[]) AS c (id, body)
)
SELECT (a.d).id, (a.d).project_id, (a.d).package_id, (a.d).package_type, (a.d).cause, (a.d).files_total,
       (a.d).bytes_total
  FROM accepted a;

-- name: insert_file_deletion
WITH moved AS (
    UPDATE package_file SET status = 'processing', updated_at = now()
     WHERE id = :package_file_id AND status IN sources_of(FILE_MOVES, processing)
 RETURNING id
), accepted AS (
    INSERT INTO deletion (id, request_event_id, project_id, root_group_id, package_id, package_file_id, package_type,
        package_name, package_version, file_name, prior_status, lane, cause, reason, requested_by, requested_level,
        credential, request_id, files_total, bytes_total, wake_at)
    SELECT :deletion_id, :event_id, p.project_id, g.ancestry[1], p.id, f.id, p.package_type,
        p.name, p.version, f.file_name, CASE WHEN f.status IN statuses(FILES_IN_ERROR) THEN f.status ELSE p.status END,
        :lane, :cause, :reason, :requested_by, :requested_level, :credential, :request_id, 1, f.size,
        now() + :resend::interval
      FROM moved JOIN package_file f ON f.id = moved.id JOIN package p ON p.id = f.package_id
      JOIN project j ON j.id = p.project_id JOIN directory_group g ON g.id = j.group_id
 RETURNING deletion AS d
), written AS (
    INSERT INTO outbox (id, kind, routing_key, body)
    SELECT (a.d).request_event_id, 'event',
           concat_ws('.', :topic::text, (a.d).package_type, (a.d).root_group_id, (a.d).project_id),
           deletion_event(a.d, :topic, (a.d).request_event_id, :moment, (a.d).files_total, (a.d).bytes_total, '{}')
      FROM accepted a
     UNION ALL
    SELECT c.id, 'command', :command_key, c.body FROM unnest(:command_ids::uuid[], :commands::jsonb[]) AS c (id, body)
)
SELECT (a.d).id, (a.d).project_id, (a.d).package_id, (a.d).package_type, (a.d).cause, (a.d).files_total,
       (a.d).bytes_total, pg_notify('packyard_deletions', (a.d).id::text)
  FROM accepted a;

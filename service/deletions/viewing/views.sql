-- name: show_deletions
-- Composed: see views.py. The user is null if no user asked, or if the user is not known any more.
SELECT deletion(d.*), u.username, u.name AS user_name,
       (SELECT path FROM project j WHERE j.id = d.project_id) AS project_path,
       EXISTS (SELECT FROM package p WHERE p.id = d.package_id) AS has_package,
       CASE WHEN d.finished_at IS NULL THEN deletion_hold_on(d.project_id) END AS hold,
       (SELECT jsonb_agg(jsonb_build_object('action', a.action, 'credential', a.credential, 'acted_at', a.acted_at,
                   'user_id', o.id, 'username', o.username, 'name', o.name) ORDER BY a.id)
          FROM deletion_act a LEFT JOIN directory_user o ON o.id = a.user_id WHERE a.deletion_id = d.id) AS acts
  FROM (SELECT d.* FROM {source} ORDER BY d.id DESC LIMIT {limit}) d
  LEFT JOIN directory_user u ON u.id = d.requested_by
 ORDER BY d.id DESC;

-- name: holds_on_batch
-- Returns each hold once that stops unfinished deletions of the batch.
SELECT DISTINCT deletion_hold_on(w.project_id) AS hold
  FROM (SELECT DISTINCT project_id FROM deletion WHERE batch_id = :batch_id AND finished_at IS NULL) w
 WHERE deletion_hold_on(w.project_id) IS NOT NULL
 ORDER BY hold LIMIT :limit;

-- name: summarise_batch
SELECT d.state, count(*) AS deletions, sum(d.files_total)::bigint AS files_total, sum(d.files_done)::bigint AS files_done,
       sum(d.bytes_total)::bigint AS bytes_total, sum(d.bytes_done)::bigint AS bytes_done,
       min(d.requested_at) AS requested_at, max(d.finished_at) AS finished_at,
       min(d.reason) AS reason, min(d.not_before) AS not_before
  FROM deletion d
 WHERE d.batch_id = :batch_id AND (:project_ids::bigint[] IS NULL OR d.project_id = ANY(:project_ids))
 GROUP BY d.state;

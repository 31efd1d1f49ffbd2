-- Users as others see them. No index leads from a user to packages: the newest of a few projects are read.

-- name: find_user_by_username
SELECT u.id, u.username, u.name, u.state, u.admin AS is_admin, u.external AS is_external, u.created_at
  FROM directory_user u WHERE lower(u.username) = lower(:username);

-- name: projects_of_user
SELECT p.id FROM project p JOIN directory_group g ON g.id = p.group_id
 WHERE p.id = ANY(:readable::bigint[])
   AND (:is_admin::boolean OR EXISTS (
       SELECT FROM membership m WHERE m.user_id = :user_id AND (m.project_id = p.id OR m.group_id = ANY(g.ancestry))))
 ORDER BY p.id LIMIT :limit;

-- name: packages_of_user
SELECT k.id, p.path AS project_path, k.package_type, k.name, k.version, k.status, k.created_at
  FROM project p CROSS JOIN LATERAL (
    SELECT q.id, q.package_type, q.name, q.version, q.status, q.created_at, q.creator_id FROM package q
     WHERE q.project_id = p.id AND q.status IN statuses(DISPLAYABLE)
     ORDER BY q.created_at DESC, q.id DESC LIMIT :looked_at) k
 WHERE p.id = ANY(:project_ids::bigint[]) AND k.creator_id = :user_id
 ORDER BY k.created_at DESC, k.id DESC LIMIT :limit;

-- name: deletions_of_user
SELECT d.id, p.path AS project_path, d.package_name AS name, d.package_version AS version, d.state, d.requested_at
  FROM project p CROSS JOIN LATERAL (
    SELECT q.id, q.package_name, q.package_version, q.state, q.requested_at, q.requested_by FROM deletion q
     WHERE q.project_id = p.id ORDER BY q.id DESC LIMIT :looked_at) d
 WHERE p.id = ANY(:project_ids::bigint[]) AND d.requested_by = :user_id
 ORDER BY d.requested_at DESC, d.id DESC LIMIT :limit;

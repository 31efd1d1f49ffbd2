-- name: find_access_token
SELECT t.scopes, t.expires_at, t.revoked_at, u.id AS user_id, u.username, u.admin, u.external, u.state
  FROM access_token t JOIN directory_user u ON u.id = t.user_id
 WHERE t.digest = :digest;

-- name: find_project_by_id
SELECT p.id, p.path, p.name, p.visibility, p.packages_enabled, g.ancestry[1] AS root_group_id,
       (SELECT max(m.access_level) FROM membership m
         WHERE m.user_id = :user_id AND (m.project_id = p.id OR m.group_id = ANY(g.ancestry))) AS level
  FROM project p JOIN directory_group g ON g.id = p.group_id
 WHERE p.id = :id;

-- name: find_project_by_path
SELECT p.id, p.path, p.name, p.visibility, p.packages_enabled, g.ancestry[1] AS root_group_id,
       (SELECT max(m.access_level) FROM membership m
         WHERE m.user_id = :user_id AND (m.project_id = p.id OR m.group_id = ANY(g.ancestry))) AS level
  FROM project p JOIN directory_group g ON g.id = p.group_id
 WHERE lower(p.path) = lower(:path);

-- name: find_group_by_id
-- holds_membership: the caller has no role in the group, but one somewhere below it.
SELECT g.id, g.path, g.name, g.visibility,
       (SELECT max(m.access_level) FROM membership m
         WHERE m.user_id = :user_id AND m.group_id = ANY(g.ancestry)) AS level,
       EXISTS (SELECT FROM membership m
                 LEFT JOIN project p ON p.id = m.project_id
                 JOIN directory_group b ON b.id = coalesce(m.group_id, p.group_id)
                WHERE m.user_id = :user_id AND b.ancestry @> ARRAY[g.id]) AS holds_membership
  FROM directory_group g
 WHERE g.id = :id;

-- name: find_group_by_path
SELECT g.id, g.path, g.name, g.visibility,
       (SELECT max(m.access_level) FROM membership m
         WHERE m.user_id = :user_id AND m.group_id = ANY(g.ancestry)) AS level,
       EXISTS (SELECT FROM membership m
                 LEFT JOIN project p ON p.id = m.project_id
                 JOIN directory_group b ON b.id = coalesce(m.group_id, p.group_id)
                WHERE m.user_id = :user_id AND b.ancestry @> ARRAY[g.id]) AS holds_membership
  FROM directory_group g
 WHERE lower(g.path) = lower(:path);

-- name: readable_projects
-- The projects of a group, or of its whole subtree, whose packages the caller may read.
SELECT p.id, p.path,
       (SELECT max(m.access_level) FROM membership m
         WHERE m.user_id = :user_id AND (m.project_id = p.id OR m.group_id = ANY(g.ancestry))) AS level
  FROM project p JOIN directory_group g ON g.id = p.group_id
 WHERE g.ancestry @> ARRAY[:group_id::bigint] AND (NOT :exclude_subgroups::boolean OR g.id = :group_id)
   AND (:is_admin::boolean OR p.visibility = 'public' OR (p.visibility = 'internal' AND :is_insider::boolean)
        OR EXISTS (SELECT FROM membership m
                    WHERE m.user_id = :user_id AND m.access_level >= :reader_level
                      AND (m.project_id = p.id OR m.group_id = ANY(g.ancestry))));

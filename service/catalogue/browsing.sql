-- name: browse_projects
-- Composed, see browse_rows.list_projects. A page beyond the end still has the total.
-- mine, my_groups: where the caller has at least the level, as a member of the project itself or of a group around it.
-- subtree: the group and all groups below it. Sets of rows and not arrays, since these are hashed however large.
WITH mine AS MATERIALIZED (
    SELECT m.project_id AS id FROM membership m
     WHERE m.user_id = {user} AND m.project_id IS NOT NULL AND m.access_level >= {level}
), my_groups AS MATERIALIZED (
    SELECT b.id FROM directory_group b
     WHERE b.ancestry && ARRAY(SELECT m.group_id FROM membership m
                                WHERE m.user_id = {user} AND m.group_id IS NOT NULL AND m.access_level >= {level})
), subtree AS MATERIALIZED (
    SELECT b.id FROM directory_group b WHERE b.ancestry @> ARRAY[{group}]
), page AS (
    SELECT p.* FROM project p WHERE {conditions} ORDER BY {order} LIMIT {limit} OFFSET {offset}
), total AS (
    SELECT count(*) AS total FROM (SELECT FROM project p WHERE {conditions} LIMIT {count_limit}) counted
)
SELECT total.total, p.*, g.name AS group_name, g.path AS group_path, g.parent_id AS group_parent_id,
       (SELECT array_agg(a.name ORDER BY cardinality(a.ancestry)) FROM directory_group a
         WHERE a.id = ANY(g.ancestry)) AS group_names,
       (SELECT m.access_level FROM membership m
         WHERE m.user_id = {user} AND m.project_id = p.id) AS project_level,
       (SELECT max(m.access_level) FROM membership m
         WHERE m.user_id = {user} AND m.group_id = ANY(g.ancestry)) AS group_level
  FROM total LEFT JOIN page p ON true LEFT JOIN directory_group g ON g.id = p.group_id
 ORDER BY {order};

-- name: browse_groups
-- Composed, see browse_rows.list_groups. A page beyond the end still has the total.
-- my_groups: where the caller has at least the level. above: the groups around anything that the caller is in.
WITH my_groups AS MATERIALIZED (
    SELECT b.id FROM directory_group b
     WHERE b.ancestry && ARRAY(SELECT m.group_id FROM membership m
                                WHERE m.user_id = {user} AND m.group_id IS NOT NULL AND m.access_level >= {level})
), above AS MATERIALIZED (
    SELECT unnest(b.ancestry) AS id
      FROM membership m LEFT JOIN project p ON p.id = m.project_id
      JOIN directory_group b ON b.id = coalesce(m.group_id, p.group_id)
     WHERE m.user_id = {user}
), page AS (
    SELECT g.* FROM directory_group g WHERE {conditions} ORDER BY {order} LIMIT {limit} OFFSET {offset}
), total AS (
    SELECT count(*) AS total FROM (SELECT FROM directory_group g WHERE {conditions} LIMIT {count_limit}) counted
)
SELECT total.total, g.*,
       (SELECT array_agg(a.name ORDER BY cardinality(a.ancestry)) FROM directory_group a
         WHERE a.id = ANY(g.ancestry)) AS names
  FROM total LEFT JOIN page g ON true
 ORDER BY {order};

-- name: browse_project
SELECT p.*, g.name AS group_name, g.path AS group_path, g.parent_id AS group_parent_id,
       (SELECT array_agg(a.name ORDER BY cardinality(a.ancestry)) FROM directory_group a
         WHERE a.id = ANY(g.ancestry)) AS group_names,
       (SELECT m.access_level FROM membership m
         WHERE m.user_id = :user_id AND m.project_id = p.id) AS project_level,
       (SELECT max(m.access_level) FROM membership m
         WHERE m.user_id = :user_id AND m.group_id = ANY(g.ancestry)) AS group_level
  FROM project p JOIN directory_group g ON g.id = p.group_id
 WHERE p.id = :id;

-- name: browse_group
SELECT g.*, (SELECT array_agg(a.name ORDER BY cardinality(a.ancestry)) FROM directory_group a
              WHERE a.id = ANY(g.ancestry)) AS names
  FROM directory_group g
 WHERE g.id = :id;

-- name: browse_user
SELECT u.id, u.username, u.name, u.state, u.admin, u.external, u.created_at
  FROM directory_user u
 WHERE u.id = :user_id;

-- name: browse_token
SELECT t.id, t.name, t.revoked_at, t.created_at, t.scopes, t.user_id, t.expires_at
  FROM access_token t
 WHERE t.id = :token_id;

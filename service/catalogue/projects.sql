-- name: browse_projects
-- Composed, see `list_projects` in rows/projects.py. A page beyond the end still has the total.
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

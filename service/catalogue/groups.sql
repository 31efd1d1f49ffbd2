-- name: browse_groups
-- Composed, see `list_groups` in rows/groups.py. A page beyond the end still has the total.
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

-- name: browse_group
SELECT g.*, (SELECT array_agg(a.name ORDER BY cardinality(a.ancestry)) FROM directory_group a
              WHERE a.id = ANY(g.ancestry)) AS names
  FROM directory_group g
 WHERE g.id = :id;

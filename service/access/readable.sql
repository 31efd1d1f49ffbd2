-- name: readable_projects
-- The projects of a group, or of its whole subtree, whose packages the caller may read. A role from above is found once
-- for each group, since a group may have thousands of projects. Where it is enough, nothing asks for one in the project.
-- This is a part of a query whose aliases are c and g.
SELECT p.id, p.path, p.packages_enabled, role.level
  FROM (SELECT inner_group.id, coalesce((SELECT max(m.access_level) FROM membership m
                   WHERE m.user_id = :user_id AND m.group_id = ANY(inner_group.ancestry)), 0) AS level
          FROM directory_group inner_group
         WHERE inner_group.ancestry @> ARRAY[:group_id::bigint]
           AND (NOT :exclude_subgroups::boolean OR inner_group.id = :group_id)
        OFFSET 0) below
  JOIN project p ON p.group_id = below.id
 CROSS JOIN LATERAL (
        SELECT CASE WHEN below.level >= :enough_level THEN below.level
                    ELSE greatest(below.level, (SELECT direct.access_level FROM membership direct
                                                 WHERE direct.user_id = :user_id AND direct.project_id = p.id))
               END AS level
        OFFSET 0) role
 WHERE :is_admin::boolean OR p.visibility = 'public' OR (p.visibility = 'internal' AND :is_insider::boolean)
    OR role.level >= :reader_level;

-- name: readable_everywhere
-- All projects whose packages the caller may read, and where they are switched on. Roles are found as in `readable_projects`.
SELECT p.id, p.path, p.packages_enabled, greatest(around.level, coalesce(direct.access_level, 0)) AS level
  FROM (SELECT g.id, coalesce((SELECT max(m.access_level) FROM membership m
                   WHERE m.user_id = :user_id AND m.group_id = ANY(g.ancestry)), 0) AS level
          FROM directory_group g
        OFFSET 0) around
  JOIN project p ON p.group_id = around.id
  LEFT JOIN membership direct ON direct.user_id = :user_id AND direct.project_id = p.id
 WHERE p.packages_enabled
   AND (:is_admin::boolean OR p.visibility = 'public' OR (p.visibility = 'internal' AND :is_insider::boolean)
        OR greatest(around.level, coalesce(direct.access_level, 0)) >= :reader_level)
 ORDER BY p.id LIMIT :limit;

-- name: readable_ids
-- Composed: see readable.readable_ids. The ids alone, in one row.
SELECT coalesce(array_agg(r.id), '{{}}') AS ids FROM ({readable}) r;

-- name: readable_among
-- The caller's level in those of the projects whose packages it may read, if they are below the group, where there is one.
SELECT p.id,
       coalesce((SELECT max(m.access_level) FROM membership m
                   WHERE m.user_id = :user_id AND (m.project_id = p.id OR m.group_id = ANY(g.ancestry))), 0) AS level
  FROM project p JOIN directory_group g ON g.id = p.group_id
 WHERE p.id = ANY(:project_ids::bigint[]) AND p.packages_enabled
   AND (:group_id::bigint IS NULL OR g.ancestry @> ARRAY[:group_id::bigint])
   AND (:is_admin::boolean OR p.visibility = 'public' OR (p.visibility = 'internal' AND :is_insider::boolean)
        OR EXISTS (SELECT FROM membership m
                    WHERE m.user_id = :user_id AND m.access_level >= :reader_level
                      AND (m.project_id = p.id OR m.group_id = ANY(g.ancestry))));

-- name: roles_in_groups
-- The user's role in those of the groups that are below the group, where there is one.
SELECT g.id,
       coalesce((SELECT max(m.access_level) FROM membership m
                   WHERE m.user_id = :user_id AND m.group_id = ANY(g.ancestry)), 0) AS level
  FROM directory_group g
 WHERE g.id = ANY(:group_ids::bigint[])
   AND (:group_id::bigint IS NULL OR g.ancestry @> ARRAY[:group_id::bigint]);

-- name: listed_projects
-- Composed: see group_lists.listed_projects. The ids of readable projects in one row, and of those of them where the caller
-- may delete: null if these are all.
SELECT coalesce(string_agg(r.id::text, ','), '') AS ids, count(*) AS number,
       CASE WHEN NOT coalesce(bool_and(r.may_delete), false)
            THEN coalesce(string_agg(r.id::text, ',') FILTER (WHERE r.may_delete), '') END AS deletable
  FROM (SELECT r.id, r.packages_enabled AND ({is_admin} OR r.level >= {level}) AS may_delete
          FROM ({readable}) r WHERE {is_open}) r;

-- name: group_with_projects
-- Composed: see group_lists.find_group_with_projects.
SELECT {columns}, l.ids, l.number, l.deletable
  FROM (SELECT) request LEFT JOIN ({credential}) c ON true LEFT JOIN LATERAL ({group}) g ON true
       CROSS JOIN LATERAL ({listed}) l;

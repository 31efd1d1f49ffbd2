-- name: has_closed_project
SELECT EXISTS (SELECT FROM project p JOIN directory_group g ON g.id = p.group_id
                WHERE g.ancestry @> ARRAY[:group_id::bigint] AND p.visibility <> 'public') AS is_so;

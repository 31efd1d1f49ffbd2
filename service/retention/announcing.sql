-- name: retention_roots
SELECT j.id, g.ancestry[1] AS root_group_id FROM project j JOIN directory_group g ON g.id = j.group_id
 WHERE j.id = ANY(:ids::bigint[]);

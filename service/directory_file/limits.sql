-- Writes quotas and rules for names. A quota keeps its number, and a rule whose mode stays keeps the day of its beginning.

-- name: store_quotas
WITH wanted AS (
    SELECT * FROM jsonb_to_recordset(:rows::jsonb)
        AS g(group_id bigint, project_id bigint, bytes bigint, enforce boolean)
), removed AS (
    DELETE FROM storage_quota q
     WHERE (q.group_id = ANY(:group_ids::bigint[]) OR q.project_id = ANY(:project_ids::bigint[]))
       AND NOT EXISTS (SELECT FROM wanted w
                        WHERE w.group_id IS NOT DISTINCT FROM q.group_id
                          AND w.project_id IS NOT DISTINCT FROM q.project_id)
 RETURNING 1
), stored AS (
    INSERT INTO storage_quota AS q (group_id, project_id, bytes, enforce)
    SELECT group_id, project_id, bytes, enforce FROM wanted
        ON CONFLICT (group_id, project_id) DO UPDATE SET (bytes, enforce) = (excluded.bytes, excluded.enforce)
     WHERE (q.bytes, q.enforce) IS DISTINCT FROM (excluded.bytes, excluded.enforce)
 RETURNING q.xmax = 0 AS created
)
SELECT (SELECT count(*) FROM stored WHERE created) AS created,
       (SELECT count(*) FROM stored WHERE NOT created) AS updated, (SELECT count(*) FROM removed) AS removed;

-- name: store_name_rules
WITH wanted AS (
    SELECT * FROM jsonb_to_recordset(:rows::jsonb)
        AS g(group_id bigint, project_id bigint, package_type text, mode text)
), removed AS (
    DELETE FROM name_rule r
     WHERE (r.group_id = ANY(:group_ids::bigint[]) OR r.project_id = ANY(:project_ids::bigint[]))
       AND NOT EXISTS (SELECT FROM wanted w
                        WHERE w.group_id IS NOT DISTINCT FROM r.group_id
                          AND w.project_id IS NOT DISTINCT FROM r.project_id AND w.package_type = r.package_type)
 RETURNING 1
), stored AS (
    INSERT INTO name_rule AS r (group_id, project_id, package_type, mode)
    SELECT group_id, project_id, package_type, mode FROM wanted
        ON CONFLICT (group_id, project_id, package_type) DO UPDATE SET (mode, since) = (excluded.mode, now())
     WHERE r.mode <> excluded.mode
 RETURNING r.xmax = 0 AS created
)
SELECT (SELECT count(*) FROM stored WHERE created) AS created,
       (SELECT count(*) FROM stored WHERE NOT created) AS updated, (SELECT count(*) FROM removed) AS removed;

-- name: find_pipelines
SELECT id, project_id FROM pipeline WHERE id = ANY(:ids::bigint[]);

-- name: store_pipelines
-- Values that are not given stay as they were. A pipeline of another project is left alone, and not returned.
WITH given AS (
    SELECT * FROM jsonb_to_recordset(:rows::jsonb) AS g(id bigint, iid bigint, project_id bigint, sha text, ref text,
        status text, source text, user_id bigint, created_at timestamptz, updated_at timestamptz)
), stored AS (
    INSERT INTO pipeline AS p (id, iid, project_id, sha, ref, status, source, user_id, created_at, updated_at)
    SELECT g.id, coalesce(g.iid, old.iid, g.id), g.project_id, g.sha, g.ref, g.status,
           coalesce(g.source, old.source, 'push'), coalesce(g.user_id, old.user_id),
           coalesce(g.created_at, old.created_at, now()),
           coalesce(g.updated_at, old.updated_at, g.created_at, now())
      FROM given g LEFT JOIN pipeline old ON old.id = g.id AND old.project_id = g.project_id
        ON CONFLICT (id) DO UPDATE
       SET (iid, sha, ref, status, source, user_id, created_at, updated_at) = (excluded.iid, excluded.sha,
            excluded.ref, excluded.status, excluded.source, excluded.user_id, excluded.created_at, excluded.updated_at)
     WHERE p.project_id = excluded.project_id
       AND (p.iid, p.sha, p.ref, p.status, p.source, p.user_id, p.created_at, p.updated_at) IS DISTINCT FROM
           (excluded.iid, excluded.sha, excluded.ref, excluded.status, excluded.source, excluded.user_id,
            excluded.created_at, excluded.updated_at)
 RETURNING id, (p.xmax = 0) AS created
)
SELECT count(*) FILTER (WHERE created) AS created, count(*) FILTER (WHERE NOT created) AS updated,
       0 AS removed FROM stored;

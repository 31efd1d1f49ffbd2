-- name: find_credential
-- Finds a token of any kind by its digest; no two tokens have the same.
SELECT 'personal_access_token' AS kind, t.id, t.scopes, t.expires_at, t.revoked_at,
       NULL::bigint AS project_id, NULL::bigint AS pipeline_id, NULL::text AS login,
       u.id AS user_id, u.username, u.admin AS is_admin, u.external AS is_external, u.state AS user_state
  FROM access_token t JOIN directory_user u ON u.id = t.user_id
 WHERE t.digest = :digest
 UNION ALL
SELECT 'job_token', t.id, ARRAY['api'], NULL, t.revoked_at, t.project_id, t.pipeline_id, 'gitlab-ci-token',
       u.id, u.username, u.admin, u.external, u.state
  FROM job_token t JOIN directory_user u ON u.id = t.user_id
 WHERE t.digest = :digest
 UNION ALL
SELECT 'deploy_token', t.id, t.scopes, t.expires_at, t.revoked_at, t.project_id, NULL, t.username,
       NULL, NULL, false, false, 'active'
  FROM deploy_token t
 WHERE t.digest = :digest;

-- name: find_visit
-- Composed: see rows.visit_query. One row: the token and the project, both null if they are not there.
WITH visit AS ({visit}) SELECT visit.* FROM visit;

-- name: find_project_by_id
-- lets_job_in: the project is the job's own, or has the job's project in its allowlist. Only jobs need it.
SELECT p.id, p.path, p.name, p.visibility, p.packages_enabled, g.ancestry, false AS is_moved,
       coalesce((SELECT max(m.access_level) FROM membership m
                   WHERE m.user_id = :user_id AND (m.project_id = p.id OR m.group_id = ANY(g.ancestry))), 0) AS level,
       coalesce(p.id = :job_project_id, false) OR EXISTS (
           SELECT FROM job_token_allowance a
            WHERE a.project_id = p.id AND a.source_project_id = :job_project_id) AS lets_job_in
  FROM project p JOIN directory_group g ON g.id = p.group_id
 WHERE p.id = :id;

-- name: find_project_by_path
-- Finds a project by its path, or else by a path that it had before.
SELECT p.id, p.path, p.name, p.visibility, p.packages_enabled, g.ancestry, lower(p.path) <> lower(:path) AS is_moved,
       coalesce((SELECT max(m.access_level) FROM membership m
                   WHERE m.user_id = :user_id AND (m.project_id = p.id OR m.group_id = ANY(g.ancestry))), 0) AS level,
       coalesce(p.id = :job_project_id, false) OR EXISTS (
           SELECT FROM job_token_allowance a
            WHERE a.project_id = p.id AND a.source_project_id = :job_project_id) AS lets_job_in
  FROM project p JOIN directory_group g ON g.id = p.group_id
 WHERE p.id = coalesce((SELECT id FROM project WHERE lower(path) = lower(:path)),
                       (SELECT project_id FROM project_alias WHERE lower(path) = lower(:path)));

-- name: project_path
SELECT path FROM project WHERE id = :id;

-- name: project_paths
SELECT id, path FROM project WHERE id = ANY(:ids::bigint[]);

-- name: find_group_by_id
-- holds_membership: the caller has no role in the group, but one somewhere below it. It is searched for along the caller's
-- memberships, which are few beside the projects of an instance.
SELECT g.id, g.path, g.name, g.visibility, own.level, own.level = 0 AND (
           EXISTS (SELECT FROM membership m JOIN directory_group b ON b.id = m.group_id
                    WHERE m.user_id = :user_id AND b.ancestry @> ARRAY[g.id])
           OR EXISTS (SELECT FROM membership m JOIN project p ON p.id = m.project_id JOIN directory_group b ON b.id = p.group_id
                       WHERE m.user_id = :user_id AND b.ancestry @> ARRAY[g.id])) AS holds_membership
  FROM directory_group g CROSS JOIN LATERAL (
        SELECT coalesce(max(m.access_level), 0) AS level FROM membership m
         WHERE m.user_id = :user_id AND m.group_id = ANY(g.ancestry)) own
 WHERE g.id = :id;

-- name: find_group_by_path
SELECT g.id, g.path, g.name, g.visibility, own.level, own.level = 0 AND (
           EXISTS (SELECT FROM membership m JOIN directory_group b ON b.id = m.group_id
                    WHERE m.user_id = :user_id AND b.ancestry @> ARRAY[g.id])
           OR EXISTS (SELECT FROM membership m JOIN project p ON p.id = m.project_id JOIN directory_group b ON b.id = p.group_id
                       WHERE m.user_id = :user_id AND b.ancestry @> ARRAY[g.id])) AS holds_membership
  FROM directory_group g CROSS JOIN LATERAL (
        SELECT coalesce(max(m.access_level), 0) AS level FROM membership m
         WHERE m.user_id = :user_id AND m.group_id = ANY(g.ancestry)) own
 WHERE lower(g.path) = lower(:path);

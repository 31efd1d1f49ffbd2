-- Writes the contents of a directory file, kind by kind. One apply at a time: the first query is the lock.
-- Each query that writes answers with how many rows it created, updated and removed (or revoked).

-- name: lock_directory!
SELECT pg_advisory_xact_lock(hashtextextended('packyard.directory', 0));

-- name: try_pattern
SELECT '' ~ ('^(?:' || :pattern::text || ')$');

-- name: find_users
SELECT id, username AS name, ARRAY[]::bigint[] AS ancestry FROM directory_user
 WHERE lower(username) = ANY(:usernames::text[]) OR id = ANY(:ids::bigint[]);

-- name: find_groups
SELECT id, path AS name, ancestry FROM directory_group
 WHERE lower(path) = ANY(:paths::text[]) OR id = ANY(:ids::bigint[]) OR ancestry && :around::bigint[];

-- name: find_projects
SELECT p.id, p.path AS name, g.ancestry FROM project p JOIN directory_group g ON g.id = p.group_id
 WHERE p.id IN (SELECT id FROM project WHERE lower(path) = ANY(:paths::text[]) OR id = ANY(:ids::bigint[])
                 UNION
                SELECT id FROM project
                 WHERE group_id IN (SELECT id FROM directory_group WHERE ancestry && :around::bigint[]));

-- name: find_tokens
SELECT 'user' AS kind, u.id, u.username AS name, t.digest
  FROM access_token t JOIN directory_user u ON u.id = t.user_id
 WHERE t.digest = ANY(:digests::bytea[])
 UNION ALL
SELECT 'deploy token of', p.id, p.path, t.digest FROM deploy_token t JOIN project p ON p.id = t.project_id
 WHERE t.digest = ANY(:digests::bytea[])
 UNION ALL
SELECT 'job token of', p.id, p.path, t.digest FROM job_token t JOIN project p ON p.id = t.project_id
 WHERE t.digest = ANY(:digests::bytea[]);

-- name: set_aside_users!
-- Writes a name that nobody can have, so that users can exchange names, or pass them in a circle.
UPDATE directory_user SET username = '/' || id WHERE id = ANY(:ids::bigint[]);

-- name: set_aside_groups!
UPDATE directory_group SET path = '/' || id WHERE id = ANY(:ids::bigint[]);

-- name: set_aside_projects!
UPDATE project SET path = '/' || id WHERE id = ANY(:ids::bigint[]);

-- name: keep_old_paths!
INSERT INTO project_alias (path, project_id)
SELECT path, project_id FROM unnest(:paths::text[], :project_ids::bigint[]) AS kept(path, project_id)
    ON CONFLICT (lower(path)) DO UPDATE SET (path, project_id) = (excluded.path, excluded.project_id);

-- name: delete_taken_paths!
DELETE FROM project_alias a
 WHERE lower(a.path) = ANY(:paths::text[])
   AND (EXISTS (SELECT FROM project p WHERE lower(p.path) = lower(a.path))
        OR EXISTS (SELECT FROM directory_group g WHERE lower(g.path) = lower(a.path)));

-- name: store_users
WITH stored AS (
    INSERT INTO directory_user AS u (id, username, name, admin, external, state)
    SELECT id, username, name, admin, external, state
      FROM jsonb_to_recordset(:rows::jsonb)
           AS g(id bigint, username text, name text, admin boolean, external boolean, state text)
        ON CONFLICT (id) DO UPDATE
       SET (username, name, admin, external, state)
         = (excluded.username, excluded.name, excluded.admin, excluded.external, excluded.state)
     WHERE (u.username, u.name, u.admin, u.external, u.state) IS DISTINCT FROM
           (excluded.username, excluded.name, excluded.admin, excluded.external, excluded.state)
 RETURNING u.xmax = 0 AS created
)
SELECT count(*) FILTER (WHERE created) AS created, count(*) FILTER (WHERE NOT created) AS updated, 0 AS removed
  FROM stored;

-- name: store_groups
-- written: the keys that the entry has, since a null that somebody wrote is not a key that was left out.
WITH given AS (
    SELECT * FROM jsonb_to_recordset(:rows::jsonb)
        AS g(id bigint, parent_id bigint, ancestry bigint[], path text, name text, visibility text,
             generic_duplicates_allowed boolean, generic_duplicate_exception_regex text,
             nuget_duplicates_allowed boolean, nuget_duplicate_exception_regex text,
             maven_duplicates_allowed boolean, maven_duplicate_exception_regex text, written text[])
), stored AS (
    INSERT INTO directory_group AS d (id, parent_id, ancestry, path, name, visibility,
                                      generic_duplicates_allowed, generic_duplicate_exception_regex,
                                      nuget_duplicates_allowed, nuget_duplicate_exception_regex,
                                      maven_duplicates_allowed, maven_duplicate_exception_regex)
    SELECT g.id, g.parent_id, g.ancestry, g.path,
           coalesce(g.name, old.name, regexp_replace(g.path, '.*/', '')),
           coalesce(g.visibility, old.visibility, 'private'),
           CASE WHEN 'generic_duplicates_allowed' = ANY(g.written)
                THEN g.generic_duplicates_allowed ELSE old.generic_duplicates_allowed END,
           CASE WHEN 'generic_duplicate_exception_regex' = ANY(g.written)
                THEN g.generic_duplicate_exception_regex ELSE old.generic_duplicate_exception_regex END,
           CASE WHEN 'nuget_duplicates_allowed' = ANY(g.written)
                THEN g.nuget_duplicates_allowed ELSE old.nuget_duplicates_allowed END,
           CASE WHEN 'nuget_duplicate_exception_regex' = ANY(g.written)
                THEN g.nuget_duplicate_exception_regex ELSE old.nuget_duplicate_exception_regex END,
           CASE WHEN 'maven_duplicates_allowed' = ANY(g.written)
                THEN g.maven_duplicates_allowed ELSE old.maven_duplicates_allowed END,
           CASE WHEN 'maven_duplicate_exception_regex' = ANY(g.written)
                THEN g.maven_duplicate_exception_regex ELSE old.maven_duplicate_exception_regex END
      FROM given g LEFT JOIN directory_group old ON old.id = g.id
        ON CONFLICT (id) DO UPDATE
       SET (parent_id, ancestry, path, name, visibility,
            generic_duplicates_allowed, generic_duplicate_exception_regex,
            nuget_duplicates_allowed, nuget_duplicate_exception_regex,
            maven_duplicates_allowed, maven_duplicate_exception_regex)
         = (excluded.parent_id, excluded.ancestry, excluded.path, excluded.name, excluded.visibility,
            excluded.generic_duplicates_allowed, excluded.generic_duplicate_exception_regex,
            excluded.nuget_duplicates_allowed, excluded.nuget_duplicate_exception_regex,
            excluded.maven_duplicates_allowed, excluded.maven_duplicate_exception_regex)
     WHERE (d.parent_id, d.ancestry, d.path, d.name, d.visibility,
            d.generic_duplicates_allowed, d.generic_duplicate_exception_regex,
            d.nuget_duplicates_allowed, d.nuget_duplicate_exception_regex,
            d.maven_duplicates_allowed, d.maven_duplicate_exception_regex) IS DISTINCT FROM
           (excluded.parent_id, excluded.ancestry, excluded.path, excluded.name, excluded.visibility,
            excluded.generic_duplicates_allowed, excluded.generic_duplicate_exception_regex,
            excluded.nuget_duplicates_allowed, excluded.nuget_duplicate_exception_regex,
            excluded.maven_duplicates_allowed, excluded.maven_duplicate_exception_regex)
 RETURNING d.xmax = 0 AS created
)
SELECT count(*) FILTER (WHERE created) AS created, count(*) FILTER (WHERE NOT created) AS updated, 0 AS removed
  FROM stored;

-- name: store_projects
WITH given AS (
    SELECT * FROM jsonb_to_recordset(:rows::jsonb)
        AS g(id bigint, group_id bigint, path text, name text, visibility text, packages_enabled boolean)
), stored AS (
    INSERT INTO project AS d (id, group_id, path, name, visibility, packages_enabled)
    SELECT g.id, g.group_id, g.path,
           coalesce(g.name, old.name, regexp_replace(g.path, '.*/', '')),
           coalesce(g.visibility, old.visibility, 'private'),
           coalesce(g.packages_enabled, old.packages_enabled, true)
      FROM given g LEFT JOIN project old ON old.id = g.id
        ON CONFLICT (id) DO UPDATE
       SET (group_id, path, name, visibility, packages_enabled)
         = (excluded.group_id, excluded.path, excluded.name, excluded.visibility, excluded.packages_enabled)
     WHERE (d.group_id, d.path, d.name, d.visibility, d.packages_enabled) IS DISTINCT FROM
           (excluded.group_id, excluded.path, excluded.name, excluded.visibility, excluded.packages_enabled)
 RETURNING d.xmax = 0 AS created
)
SELECT count(*) FILTER (WHERE created) AS created, count(*) FILTER (WHERE NOT created) AS updated, 0 AS removed
  FROM stored;

-- name: find_too_visible
-- A user that sees a group or project must be able to see the group around it.
WITH ranked(visibility, rank) AS (VALUES ('private', 0), ('internal', 1), ('public', 2)), child AS (
    SELECT parent_id, path, visibility FROM directory_group
     WHERE lower(path) = ANY(:paths::text[])
        OR parent_id IN (SELECT id FROM directory_group WHERE lower(path) = ANY(:paths::text[]))
     UNION ALL
    SELECT group_id, path, visibility FROM project
     WHERE lower(path) = ANY(:paths::text[])
        OR group_id IN (SELECT id FROM directory_group WHERE lower(path) = ANY(:paths::text[]))
)
SELECT c.path, c.visibility, p.path AS parent_path, p.visibility AS parent_visibility
  FROM child c JOIN directory_group p ON p.id = c.parent_id
  JOIN ranked cr ON cr.visibility = c.visibility JOIN ranked pr ON pr.visibility = p.visibility
 WHERE cr.rank > pr.rank
 ORDER BY c.path;

-- name: store_members
WITH wanted AS (
    SELECT user_id, coalesce(group_id, 0) AS group_id, coalesce(project_id, 0) AS project_id, access_level
      FROM jsonb_to_recordset(:rows::jsonb)
           AS g(user_id bigint, group_id bigint, project_id bigint, access_level smallint)
), present AS (
    SELECT id, user_id, coalesce(group_id, 0) AS group_id, coalesce(project_id, 0) AS project_id, access_level
      FROM membership WHERE group_id = ANY(:group_ids::bigint[]) OR project_id = ANY(:project_ids::bigint[])
), removed AS (
    DELETE FROM membership WHERE id IN (SELECT id FROM present p WHERE NOT EXISTS (
        SELECT FROM wanted w
         WHERE (w.user_id, w.group_id, w.project_id) = (p.user_id, p.group_id, p.project_id)))
 RETURNING 1
), updated AS (
    UPDATE membership m SET access_level = w.access_level
      FROM present p
      JOIN wanted w ON (w.user_id, w.group_id, w.project_id) = (p.user_id, p.group_id, p.project_id)
     WHERE m.id = p.id AND p.access_level <> w.access_level
 RETURNING 1
), created AS (
    INSERT INTO membership (user_id, group_id, project_id, access_level)
    SELECT user_id, nullif(group_id, 0), nullif(project_id, 0), access_level FROM wanted w
     WHERE NOT EXISTS (
        SELECT FROM present p
         WHERE (w.user_id, w.group_id, w.project_id) = (p.user_id, p.group_id, p.project_id))
 RETURNING 1
)
SELECT (SELECT count(*) FROM created) AS created, (SELECT count(*) FROM updated) AS updated,
       (SELECT count(*) FROM removed) AS removed;

-- name: store_access_tokens
WITH wanted AS (
    SELECT user_id, name, decode(digest, 'hex') AS digest, scopes, expires_at
      FROM jsonb_to_recordset(:rows::jsonb)
           AS g(user_id bigint, name text, digest text, scopes text[], expires_at date)
), revoked AS (
    UPDATE access_token SET revoked_at = now()
     WHERE user_id = ANY(:user_ids::bigint[]) AND revoked_at IS NULL
       AND digest NOT IN (SELECT digest FROM wanted)
 RETURNING 1
), stored AS (
    INSERT INTO access_token AS t (user_id, name, digest, scopes, expires_at)
    SELECT user_id, name, digest, scopes, expires_at FROM wanted
        ON CONFLICT (digest) DO UPDATE SET (name, scopes, expires_at, revoked_at)
                                         = (excluded.name, excluded.scopes, excluded.expires_at, NULL)
     WHERE (t.name, t.scopes, t.expires_at, t.revoked_at) IS DISTINCT FROM
           (excluded.name, excluded.scopes, excluded.expires_at, NULL)
 RETURNING t.xmax = 0 AS created
)
SELECT (SELECT count(*) FROM stored WHERE created) AS created,
       (SELECT count(*) FROM stored WHERE NOT created) AS updated, (SELECT count(*) FROM revoked) AS removed;

-- name: store_deploy_tokens
WITH wanted AS (
    SELECT project_id, name, username, decode(digest, 'hex') AS digest, scopes, expires_at
      FROM jsonb_to_recordset(:rows::jsonb)
           AS g(project_id bigint, name text, username text, digest text, scopes text[], expires_at date)
), revoked AS (
    UPDATE deploy_token SET revoked_at = now()
     WHERE project_id = ANY(:project_ids::bigint[]) AND revoked_at IS NULL
       AND digest NOT IN (SELECT digest FROM wanted)
 RETURNING 1
), stored AS (
    INSERT INTO deploy_token AS t (project_id, name, username, digest, scopes, expires_at)
    SELECT project_id, name, username, digest, scopes, expires_at FROM wanted
        ON CONFLICT (digest) DO UPDATE
       SET (name, username, scopes, expires_at, revoked_at)
         = (excluded.name, excluded.username, excluded.scopes, excluded.expires_at, NULL)
     WHERE (t.name, t.username, t.scopes, t.expires_at, t.revoked_at) IS DISTINCT FROM
           (excluded.name, excluded.username, excluded.scopes, excluded.expires_at, NULL)
 RETURNING t.xmax = 0 AS created
)
SELECT (SELECT count(*) FROM stored WHERE created) AS created,
       (SELECT count(*) FROM stored WHERE NOT created) AS updated, (SELECT count(*) FROM revoked) AS removed;

-- name: store_job_tokens
WITH wanted AS (
    SELECT project_id, user_id, pipeline_id, decode(digest, 'hex') AS digest
      FROM jsonb_to_recordset(:rows::jsonb)
           AS g(project_id bigint, user_id bigint, pipeline_id bigint, digest text)
), revoked AS (
    UPDATE job_token SET revoked_at = now()
     WHERE project_id = ANY(:project_ids::bigint[]) AND revoked_at IS NULL
       AND digest NOT IN (SELECT digest FROM wanted)
 RETURNING 1
), stored AS (
    INSERT INTO job_token AS t (project_id, user_id, pipeline_id, digest)
    SELECT project_id, user_id, pipeline_id, digest FROM wanted
        ON CONFLICT (digest) DO UPDATE
       SET (user_id, pipeline_id, revoked_at) = (excluded.user_id, excluded.pipeline_id, NULL)
     WHERE (t.user_id, t.pipeline_id, t.revoked_at) IS DISTINCT FROM
           (excluded.user_id, excluded.pipeline_id, NULL)
 RETURNING t.xmax = 0 AS created
)
SELECT (SELECT count(*) FROM stored WHERE created) AS created,
       (SELECT count(*) FROM stored WHERE NOT created) AS updated, (SELECT count(*) FROM revoked) AS removed;

-- name: store_protection_rules
WITH wanted AS (
    SELECT * FROM jsonb_to_recordset(:rows::jsonb) AS g(project_id bigint, package_type text, package_name_pattern text,
        minimum_access_level_for_push smallint, minimum_access_level_for_delete smallint)
), removed AS (
    DELETE FROM protection_rule r
     WHERE project_id = ANY(:project_ids::bigint[])
       AND (project_id, package_type, package_name_pattern) NOT IN (
           SELECT project_id, package_type, package_name_pattern FROM wanted)
 RETURNING 1
), stored AS (
    INSERT INTO protection_rule AS r
           (project_id, package_type, package_name_pattern, minimum_access_level_for_push,
            minimum_access_level_for_delete)
    SELECT * FROM wanted
        ON CONFLICT (project_id, package_type, package_name_pattern) DO UPDATE
       SET (minimum_access_level_for_push, minimum_access_level_for_delete, updated_at)
         = (excluded.minimum_access_level_for_push, excluded.minimum_access_level_for_delete, now())
     WHERE (r.minimum_access_level_for_push, r.minimum_access_level_for_delete)
           IS DISTINCT FROM (excluded.minimum_access_level_for_push, excluded.minimum_access_level_for_delete)
 RETURNING r.xmax = 0 AS created
)
SELECT (SELECT count(*) FROM stored WHERE created) AS created,
       (SELECT count(*) FROM stored WHERE NOT created) AS updated, (SELECT count(*) FROM removed) AS removed;

-- name: store_job_token_allowances
WITH wanted AS (
    SELECT * FROM jsonb_to_recordset(:rows::jsonb) AS g(project_id bigint, source_project_id bigint)
), removed AS (
    DELETE FROM job_token_allowance
     WHERE project_id = ANY(:project_ids::bigint[])
       AND (project_id, source_project_id) NOT IN (SELECT project_id, source_project_id FROM wanted)
 RETURNING 1
), created AS (
    INSERT INTO job_token_allowance (project_id, source_project_id)
    SELECT project_id, source_project_id FROM wanted
        ON CONFLICT (project_id, source_project_id) DO NOTHING
 RETURNING 1
)
SELECT (SELECT count(*) FROM created) AS created, 0 AS updated, (SELECT count(*) FROM removed) AS removed;

-- name: store_deletion_rules
-- written: the keys that the entry has, since a null that somebody wrote is not a key that was left out.
WITH given AS (
    SELECT * FROM jsonb_to_recordset(:rows::jsonb)
        AS g(owner text, id bigint, written text[], grace_period interval, grace_periods jsonb, deletion_hold text)
), merged AS (
    SELECT g.owner, g.id,
           CASE WHEN 'grace_period' = ANY(g.written) THEN g.grace_period ELSE o.grace_period END AS grace_period,
           CASE WHEN 'grace_periods' = ANY(g.written) THEN g.grace_periods ELSE o.grace_periods END AS grace_periods,
           CASE WHEN 'deletion_hold' = ANY(g.written) THEN g.deletion_hold ELSE o.deletion_hold END AS deletion_hold,
           (o.grace_period, o.grace_periods, o.deletion_hold) AS before
      FROM given g JOIN (
        SELECT 'group' AS owner, id, grace_period, grace_periods, deletion_hold FROM directory_group
         UNION ALL
        SELECT 'project', id, grace_period, grace_periods, deletion_hold FROM project
      ) o ON o.owner = g.owner AND o.id = g.id
), changed AS (
    SELECT * FROM merged WHERE (grace_period, grace_periods, deletion_hold) IS DISTINCT FROM before
), groups AS (
    UPDATE directory_group d SET (grace_period, grace_periods, deletion_hold)
                               = (c.grace_period, c.grace_periods, c.deletion_hold)
      FROM changed c WHERE c.owner = 'group' AND d.id = c.id
 RETURNING 1
), projects AS (
    UPDATE project d SET (grace_period, grace_periods, deletion_hold)
                       = (c.grace_period, c.grace_periods, c.deletion_hold)
      FROM changed c WHERE c.owner = 'project' AND d.id = c.id
 RETURNING 1
)
SELECT 0 AS created, (SELECT count(*) FROM groups) + (SELECT count(*) FROM projects) AS updated, 0 AS removed;

-- name: find_directory_state
-- All that a directory file can change of these users, groups and projects: a row for each thing. Two of these
-- answers, one before and one after the writing, make the diff. Revoked tokens are left out.
WITH users AS (
    SELECT id FROM directory_user WHERE id = ANY(:user_ids::bigint[]) OR lower(username) = ANY(:usernames::text[])
), groups AS (
    SELECT id FROM directory_group WHERE id = ANY(:group_ids::bigint[]) OR lower(path) = ANY(:paths::text[])
), projects AS (
    SELECT id FROM project WHERE id = ANY(:project_ids::bigint[]) OR lower(path) = ANY(:paths::text[])
)
SELECT 'user' AS kind, u.id::text AS key, NULL AS owner_kind, NULL AS owner_key, u.username AS name,
       jsonb_build_object('name', u.name, 'admin', u.admin, 'external', u.external, 'state', u.state) AS facts
  FROM directory_user u WHERE u.id IN (SELECT id FROM users)
 UNION ALL
SELECT 'group', g.id::text, NULL, NULL, g.path,
       jsonb_build_object('name', g.name, 'visibility', g.visibility,
                          'generic_duplicates_allowed', g.generic_duplicates_allowed,
                          'generic_duplicate_exception_regex', g.generic_duplicate_exception_regex,
                          'nuget_duplicates_allowed', g.nuget_duplicates_allowed,
                          'nuget_duplicate_exception_regex', g.nuget_duplicate_exception_regex,
                          'maven_duplicates_allowed', g.maven_duplicates_allowed,
                          'maven_duplicate_exception_regex', g.maven_duplicate_exception_regex,
                          'grace_period', g.grace_period, 'grace_periods', g.grace_periods,
                          'deletion_hold', g.deletion_hold,
                          'quota', (SELECT jsonb_build_object('bytes', q.bytes::text, 'enforce', q.enforce::text)
                                      FROM storage_quota q WHERE q.group_id = g.id),
                          'deleted_names', (SELECT jsonb_object_agg(n.package_type, n.mode)
                                              FROM name_rule n WHERE n.group_id = g.id))
  FROM directory_group g WHERE g.id IN (SELECT id FROM groups)
 UNION ALL
SELECT 'project', p.id::text, NULL, NULL, p.path,
       jsonb_build_object('name', p.name, 'visibility', p.visibility, 'packages_enabled', p.packages_enabled,
                          'grace_period', p.grace_period, 'grace_periods', p.grace_periods,
                          'deletion_hold', p.deletion_hold,
                          'quota', (SELECT jsonb_build_object('bytes', q.bytes::text, 'enforce', q.enforce::text)
                                      FROM storage_quota q WHERE q.project_id = p.id),
                          'deleted_names', (SELECT jsonb_object_agg(n.package_type, n.mode)
                                              FROM name_rule n WHERE n.project_id = p.id))
  FROM project p WHERE p.id IN (SELECT id FROM projects)
 UNION ALL
SELECT 'member', m.id::text, CASE WHEN m.group_id IS NULL THEN 'project' ELSE 'group' END,
       coalesce(m.group_id, m.project_id)::text, u.username, jsonb_build_object('role', m.access_level)
  FROM membership m JOIN directory_user u ON u.id = m.user_id
 WHERE m.group_id IN (SELECT id FROM groups) OR m.project_id IN (SELECT id FROM projects)
 UNION ALL
SELECT 'token', encode(t.digest, 'hex'), 'user', t.user_id::text, t.name,
       jsonb_build_object('scopes', t.scopes, 'expires_at', t.expires_at)
  FROM access_token t WHERE t.revoked_at IS NULL AND t.user_id IN (SELECT id FROM users)
 UNION ALL
SELECT 'deploy token', encode(t.digest, 'hex'), 'project', t.project_id::text, t.name,
       jsonb_build_object('username', t.username, 'scopes', t.scopes, 'expires_at', t.expires_at)
  FROM deploy_token t WHERE t.revoked_at IS NULL AND t.project_id IN (SELECT id FROM projects)
 UNION ALL
SELECT 'job token', encode(t.digest, 'hex'), 'project', t.project_id::text, 'for ' || u.username,
       jsonb_build_object('user_id', t.user_id, 'pipeline', t.pipeline_id)
  FROM job_token t JOIN directory_user u ON u.id = t.user_id
 WHERE t.revoked_at IS NULL AND t.project_id IN (SELECT id FROM projects)
 UNION ALL
SELECT 'pipeline', l.id::text, 'project', l.project_id::text, l.id::text,
       jsonb_build_object('iid', l.iid, 'status', l.status, 'ref', l.ref, 'sha', l.sha, 'source', l.source)
  FROM pipeline l WHERE l.id = ANY(:pipeline_ids::bigint[])
 UNION ALL
SELECT 'allowed project', a.project_id || ':' || a.source_project_id, 'project', a.project_id::text, p.path, '{}'
  FROM job_token_allowance a JOIN project p ON p.id = a.source_project_id
 WHERE a.project_id IN (SELECT id FROM projects)
 UNION ALL
SELECT 'protection rule', r.id::text, 'project', r.project_id::text, r.package_type || ' ' || r.package_name_pattern,
       jsonb_build_object('minimum_access_level_for_push', r.minimum_access_level_for_push,
                          'minimum_access_level_for_delete', r.minimum_access_level_for_delete)
  FROM protection_rule r WHERE r.project_id IN (SELECT id FROM projects)
 UNION ALL
SELECT 'retention rule', r.id::text, CASE WHEN r.project_id IS NOT NULL THEN 'project' WHEN r.group_id IS NOT NULL THEN 'group' END,
       coalesce(r.group_id, r.project_id)::text, r.name,
       jsonb_build_object('kind', r.definition -> 'kind', 'enabled', r.definition -> 'enabled', 'package_types',
                          r.definition -> 'package_types', 'name_patterns', r.definition -> 'name_patterns',
                          'version_patterns', r.definition -> 'version_patterns', 'release', r.definition ->
                          'release', 'statuses', r.definition -> 'statuses', 'younger_than', r.definition ->
                          'younger_than', 'downloaded_within', r.definition -> 'downloaded_within', 'keep_latest',
                          r.definition -> 'keep_latest', 'tags', r.definition -> 'tags', 'schedule', r.definition ->
                          'schedule', 'time_zone', r.definition -> 'time_zone', 'dry_run', r.definition -> 'dry_run',
                          'approve_above', r.definition -> 'approve_above')
  FROM retention_rule r
 WHERE r.group_id IN (SELECT id FROM groups) OR r.project_id IN (SELECT id FROM projects)
    OR (r.group_id IS NULL AND r.project_id IS NULL);

-- name: count_admins
-- able: the users that can also log in, with a token that is good for more than their own name.
SELECT count(*) AS active,
       count(*) FILTER (WHERE EXISTS (
           SELECT FROM access_token t
            WHERE t.user_id = u.id AND t.revoked_at IS NULL AND t.scopes && ARRAY['api', 'read_api']
              AND (t.expires_at IS NULL OR t.expires_at > (now() AT TIME ZONE 'UTC')::date))) AS able
  FROM directory_user u WHERE u.admin AND u.state = 'active';

-- name: exchange_access_tokens!
UPDATE access_token t
   SET digest = CASE WHEN taken.digest IS NULL THEN exchanged.new ELSE t.digest END,
       revoked_at = CASE WHEN taken.digest IS NULL THEN t.revoked_at ELSE coalesce(t.revoked_at, now()) END
  FROM unnest(:old::bytea[], :new::bytea[]) AS exchanged(old, new)
  LEFT JOIN access_token taken ON taken.digest = exchanged.new
 WHERE t.digest = exchanged.old;

-- name: exchange_deploy_tokens!
UPDATE deploy_token t
   SET digest = CASE WHEN taken.digest IS NULL THEN exchanged.new ELSE t.digest END,
       revoked_at = CASE WHEN taken.digest IS NULL THEN t.revoked_at ELSE coalesce(t.revoked_at, now()) END
  FROM unnest(:old::bytea[], :new::bytea[]) AS exchanged(old, new)
  LEFT JOIN deploy_token taken ON taken.digest = exchanged.new
 WHERE t.digest = exchanged.old;

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

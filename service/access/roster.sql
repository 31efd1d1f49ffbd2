-- The directory as people read it. No query here reads a digest.

-- name: members_of_place
-- Each member once, with the highest role; of two equal ones, the nearer place counts.
SELECT username, name, state, level, source FROM (
    SELECT DISTINCT ON (u.id) u.username, u.name, u.state, m.access_level AS level, coalesce(p.path, g.path) AS source
      FROM membership m JOIN directory_user u ON u.id = m.user_id
      LEFT JOIN project p ON p.id = m.project_id LEFT JOIN directory_group g ON g.id = m.group_id
     WHERE m.project_id = :project_id::bigint
        OR m.group_id = ANY((SELECT a.ancestry FROM directory_group a
                              WHERE a.id = coalesce(:group_id::bigint,
                                                    (SELECT group_id FROM project WHERE id = :project_id::bigint)))::bigint[])
     ORDER BY u.id, m.access_level DESC, cardinality(g.ancestry) DESC NULLS FIRST) members
 ORDER BY level DESC, username LIMIT :limit;

-- name: chain_of_place
-- The graces of types are in seconds.
SELECT path, is_group, hold, grace_period,
       (SELECT jsonb_object_agg(t.package_type, extract(epoch FROM t.grace::interval))
          FROM jsonb_each_text(grace_periods) AS t (package_type, grace)) AS grace_periods
  FROM (
    SELECT path, false AS is_group, deletion_hold AS hold, grace_period, grace_periods, NULL::int AS depth
      FROM project WHERE id = :project_id::bigint
     UNION ALL
    SELECT a.path, true, a.deletion_hold, a.grace_period, a.grace_periods, cardinality(a.ancestry)
      FROM directory_group g JOIN directory_group a ON a.id = ANY(g.ancestry)
     WHERE g.id = coalesce(:group_id::bigint, (SELECT group_id FROM project WHERE id = :project_id::bigint))) places
 ORDER BY depth DESC NULLS FIRST;

-- name: deploy_tokens_of_project
SELECT name, username, scopes, expires_at,
       revoked_at IS NULL AND (expires_at IS NULL OR expires_at > (now() AT TIME ZONE 'UTC')::date) AS is_good
  FROM deploy_token WHERE project_id = :project_id ORDER BY is_good DESC, name, id LIMIT :limit;

-- name: protection_rules_of_project
SELECT package_type, package_name_pattern, minimum_access_level_for_push AS push_level,
       minimum_access_level_for_delete AS delete_level
  FROM protection_rule WHERE project_id = :project_id ORDER BY package_type, package_name_pattern LIMIT :limit;

-- name: retention_rules_of_place
SELECT r.name, coalesce(p.path, g.path) AS source, r.next_run_at, r.paused_at
  FROM retention_rule r LEFT JOIN project p ON p.id = r.project_id LEFT JOIN directory_group g ON g.id = r.group_id
 WHERE r.project_id = :project_id::bigint OR (r.project_id IS NULL AND r.group_id IS NULL)
    OR r.group_id = ANY((SELECT a.ancestry FROM directory_group a
                          WHERE a.id = coalesce(:group_id::bigint,
                                                (SELECT group_id FROM project WHERE id = :project_id::bigint)))::bigint[])
 ORDER BY r.project_id NULLS LAST, cardinality(g.ancestry) DESC NULLS LAST, r.name LIMIT :limit;

-- name: name_rules_of_place
SELECT r.package_type, r.mode, r.since, coalesce(p.path, g.path) AS path, r.group_id IS NOT NULL AS is_group
  FROM name_rule r LEFT JOIN project p ON p.id = r.project_id LEFT JOIN directory_group g ON g.id = r.group_id
 WHERE r.project_id = :project_id::bigint
    OR r.group_id = ANY((SELECT a.ancestry FROM directory_group a
                          WHERE a.id = coalesce(:group_id::bigint,
                                                (SELECT group_id FROM project WHERE id = :project_id::bigint)))::bigint[])
 ORDER BY cardinality(g.ancestry) DESC NULLS FIRST, r.package_type LIMIT :limit;

-- name: users_of_instance
SELECT u.id, u.username, u.name, u.state, u.admin, u.external,
       (SELECT count(*) FROM membership m WHERE m.user_id = u.id) AS memberships
  FROM directory_user u
 WHERE :words = '' OR position(lower(:words) IN lower(u.username)) > 0 OR position(lower(:words) IN lower(u.name)) > 0
 ORDER BY lower(u.username) LIMIT :limit OFFSET :offset;

-- name: tokens_of_users
SELECT user_id, name, scopes, expires_at,
       expires_at IS NULL OR expires_at > (now() AT TIME ZONE 'UTC')::date AS is_good
  FROM access_token WHERE user_id = ANY(:user_ids::bigint[]) AND revoked_at IS NULL
 ORDER BY user_id, name, id LIMIT :limit;

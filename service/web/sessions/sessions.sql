-- name: open_web_session!
INSERT INTO web_session (digest, user_id, token_id) VALUES (:digest, :user_id, :token_id);

-- name: find_web_session
-- Finds a session that has not ended, with its token and user as they are now. One that a proxy opened has no token, and
-- may do all that its user may. is_stale: its use should be noted again.
SELECT CASE WHEN s.token_id IS NULL THEN 'proxy' ELSE 'personal_access_token' END AS kind, coalesce(t.id, 0) AS id,
       coalesce(t.scopes, ARRAY['api']) AS scopes, t.expires_at, t.revoked_at,
       NULL::bigint AS project_id, NULL::bigint AS pipeline_id, NULL::text AS login,
       u.id AS user_id, u.username, u.admin AS is_admin, u.external AS is_external, u.state AS user_state,
       s.last_used_at < now() - interval '1 minute' AS is_stale
  FROM web_session s JOIN directory_user u ON u.id = s.user_id LEFT JOIN access_token t ON t.id = s.token_id
 WHERE s.digest = :digest AND s.last_used_at > now() - :idle::interval AND s.created_at > now() - :longest::interval;

-- name: note_web_session!
UPDATE web_session SET last_used_at = now() WHERE digest = :digest;

-- name: close_web_session!
DELETE FROM web_session WHERE digest = :digest;

-- name: close_web_sessions_of_user!
DELETE FROM web_session WHERE user_id = :user_id;

-- name: prune_web_sessions
SELECT prune_web_sessions(:idle::interval, :longest::interval, :limit::int) AS pruned;

-- name: find_web_key
SELECT key FROM web_key;

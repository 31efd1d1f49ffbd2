-- name: browse_user
SELECT u.id, u.username, u.name, u.state, u.admin AS is_admin, u.external AS is_external, u.created_at
  FROM directory_user u
 WHERE u.id = :user_id;

-- name: browse_token
SELECT t.id, t.name, t.revoked_at, t.created_at, t.scopes, t.user_id, t.expires_at
  FROM access_token t
 WHERE t.id = :token_id;

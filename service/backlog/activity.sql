-- The sessions of locks.

-- name: lock_sessions
-- A session that holds a lock, or competes for one, is named as the lock. Every role may see names and locks.
SELECT a.application_name AS lock, host(a.client_addr) AS address,
       EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted) AS is_active
  FROM pg_stat_activity a
 WHERE a.datname = current_database() AND a.application_name = ANY(:names::text[])
 ORDER BY is_active DESC, a.application_name, a.pid LIMIT 100;

-- name: lock_answer
-- Returns whether no other session works on the same request; the lock is kept until the transaction ends.
SELECT pg_try_advisory_xact_lock(hashtextextended('packyard.answer ' || :caller || ' ' || :key, 0)) AS is_ours;

-- name: find_answer
SELECT request_digest, status, media, headers, body FROM kept_answer WHERE caller = :caller AND key = :key;

-- name: keep_answer!
INSERT INTO kept_answer (caller, key, request_digest, status, media, headers, body)
VALUES (:caller, :key, :request_digest, :status, :media, :headers::jsonb, :body);

-- name: prune_answers!
WITH old AS MATERIALIZED (
    SELECT caller, key FROM kept_answer WHERE answered_at < now() - :older_than::interval LIMIT :limit
)
DELETE FROM kept_answer a USING old WHERE a.caller = old.caller AND a.key = old.key;

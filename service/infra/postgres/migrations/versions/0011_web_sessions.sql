-- Browsers sign in with a token and get a session. Pages list deletions by state, with counts.

-- step: sessions of browsers
-- A session ends with its token and user. Only digests of what a cookie holds are kept.
CREATE TABLE IF NOT EXISTS web_session (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    user_id bigint NOT NULL REFERENCES directory_user (id) ON DELETE CASCADE,
    token_id bigint NOT NULL REFERENCES access_token (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now()
);

-- step: the sessions of one user
CREATE INDEX IF NOT EXISTS web_session_user ON web_session (user_id);

-- step: the sessions of one token
CREATE INDEX IF NOT EXISTS web_session_token ON web_session (token_id);

-- step: the key that signs the form of those who are not signed in
CREATE TABLE IF NOT EXISTS web_key (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    key bytea NOT NULL CHECK (octet_length(key) = 32)
);

-- step: one key, by chance
INSERT INTO web_key (key)
SELECT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex') ON CONFLICT DO NOTHING;

-- step: an index of deletions by state that an earlier try left broken
DROP INDEX CONCURRENTLY IF EXISTS deletion_by_state;

-- step: deletions by state, but for those that succeeded
CREATE INDEX CONCURRENTLY deletion_by_state ON deletion (state, project_id, id) WHERE state <> 'succeeded';

-- The deletions of rules that no worker has seen yet: a run asks for no more while there are many.

-- step: what an attempt that failed may have left
DROP INDEX CONCURRENTLY IF EXISTS deletion_policy_queue;

-- step: the index
CREATE INDEX CONCURRENTLY deletion_policy_queue ON deletion (id) WHERE cause = 'policy' AND state = 'queued';

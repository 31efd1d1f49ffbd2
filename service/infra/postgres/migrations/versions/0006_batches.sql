-- Deletions that were there before, and the indexes that batches and holds are found by; readers and writers go on.

-- step: what a worker may have begun to remove is never restored
UPDATE deletion SET removal_began_at = coalesce(marked_at, requested_at)
 WHERE state IN ('destroying', 'retrying', 'failed') AND removal_began_at IS NULL;

-- step: what an attempt that failed may have left
DROP INDEX CONCURRENTLY IF EXISTS deletion_by_batch;

-- step: the deletions of a batch
CREATE INDEX CONCURRENTLY deletion_by_batch ON deletion (batch_id, id) WHERE batch_id IS NOT NULL;

-- step: what an attempt that failed may have left
DROP INDEX CONCURRENTLY IF EXISTS deletion_held;

-- step: the deletions that wait for the end of a hold
CREATE INDEX CONCURRENTLY deletion_held ON deletion (project_id) WHERE held AND finished_at IS NULL;

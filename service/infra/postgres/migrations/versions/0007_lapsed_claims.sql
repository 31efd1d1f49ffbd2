-- Workers search for lapsed claims themselves; readers and writers go on.

-- step: what an attempt that failed may have left
DROP INDEX CONCURRENTLY IF EXISTS deletion_claimed;

-- step: the deletions that are in hand, by when that ends
CREATE INDEX CONCURRENTLY deletion_claimed ON deletion (lease_until) WHERE state = 'destroying';

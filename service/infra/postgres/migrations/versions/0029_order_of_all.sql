-- All packages in the order in which most lists show them. A list of thousands of projects reads its page from it.

-- step: what an attempt that failed may have left
DROP INDEX CONCURRENTLY IF EXISTS package_of_all_by_created_at;

-- step: by creation
CREATE INDEX CONCURRENTLY package_of_all_by_created_at ON package (created_at, id)
    INCLUDE (project_id, package_type, version) WHERE status IN ('default', 'error', 'deprecated');

-- Packages without a version are not listed by default. They are few, and counted apart from the figures of a project.

-- step: what an attempt that failed may have left
DROP INDEX CONCURRENTLY IF EXISTS package_versionless;

-- step: the index
CREATE INDEX CONCURRENTLY package_versionless ON package (project_id, package_type)
    WHERE version IS NULL AND status IN ('default', 'error', 'deprecated');

-- The orders of a list, with the columns that every list asks about: counting and merging read no rows of the table.
-- Each new index is built beside the old one, which serves until then.

-- step: what an attempt that failed may have left
DROP INDEX CONCURRENTLY IF EXISTS package_ordered_by_name;

-- step: by name
CREATE INDEX CONCURRENTLY package_ordered_by_name ON package (project_id, name, id) INCLUDE (package_type, version)
    WHERE status IN ('default', 'error', 'deprecated');

-- step: the one before
DROP INDEX CONCURRENTLY IF EXISTS package_by_name;

-- step: what an attempt that failed may have left
DROP INDEX CONCURRENTLY IF EXISTS package_ordered_by_version;

-- step: by version
CREATE INDEX CONCURRENTLY package_ordered_by_version ON package (project_id, version, id) INCLUDE (package_type)
    WHERE status IN ('default', 'error', 'deprecated');

-- step: the one before
DROP INDEX CONCURRENTLY IF EXISTS package_by_version;

-- step: what an attempt that failed may have left
DROP INDEX CONCURRENTLY IF EXISTS package_ordered_by_type;

-- step: by type
CREATE INDEX CONCURRENTLY package_ordered_by_type ON package (project_id, type_number, id) INCLUDE (package_type, version)
    WHERE status IN ('default', 'error', 'deprecated');

-- step: the one before
DROP INDEX CONCURRENTLY IF EXISTS package_by_type;

-- step: what an attempt that failed may have left
DROP INDEX CONCURRENTLY IF EXISTS package_ordered_by_version_key;

-- step: by version_key
CREATE INDEX CONCURRENTLY package_ordered_by_version_key ON package (project_id, version_key, id) INCLUDE (package_type, version)
    WHERE status IN ('default', 'error', 'deprecated');

-- step: the one before
DROP INDEX CONCURRENTLY IF EXISTS package_by_version_key;

-- step: words of names have an index of their own, and searches read it
DROP INDEX CONCURRENTLY IF EXISTS package_name_words;

-- Semantic versions of the packages that were there before, and their index; readers and writers continue.

-- step: fill in what no trigger saw, a few rows at a time
DO $$
DECLARE
    before bigint := 0;
    last bigint;
BEGIN
    LOOP
        SELECT max(id) INTO last FROM (SELECT id FROM package WHERE id > before ORDER BY id LIMIT 5000) few;
        EXIT WHEN last IS NULL;
        UPDATE package SET version_key = semver_key(version)
         WHERE id > before AND id <= last AND version IS NOT NULL AND version_key IS NULL;
        COMMIT;
        before := last;
    END LOOP;
END
$$;

-- step: what an attempt that failed may have left
DROP INDEX CONCURRENTLY IF EXISTS package_by_version_key;

-- step: the index
CREATE INDEX CONCURRENTLY package_by_version_key ON package (project_id, version_key, id)
    WHERE status IN ('default', 'error', 'deprecated');

-- Keys in the order in which object stores list them: byte by byte. Readers and writers go on.

-- step: what an attempt that failed may have left
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('package_file_key') AND NOT indisvalid) THEN
        DROP INDEX package_file_key;
    END IF;
END
$$;

-- step: the index, with all that is held against the objects
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS package_file_key ON package_file (storage_key COLLATE "C") INCLUDE (size);

-- step: the column, which from now on uses it
-- Nothing is rewritten: text stays text, and the index is in this order already.
ALTER TABLE package_file
    DROP CONSTRAINT IF EXISTS package_file_storage_key_key,
    ALTER COLUMN storage_key TYPE text COLLATE "C";

-- step: what the planner knew of the column
ANALYZE package_file (storage_key);

-- step: the packages that a run left.
-- A rule may keep a million packages each night, so a row holds the ids of many.
CREATE TABLE IF NOT EXISTS retention_kept (
    run_id uuid NOT NULL REFERENCES retention_run (id) ON DELETE CASCADE,
    project_id bigint NOT NULL,
    rule_id bigint NOT NULL,
    rule text NOT NULL,
    reason text NOT NULL,
    package_ids bigint[] NOT NULL CHECK (cardinality(package_ids) BETWEEN 1 AND 1000)
);
CREATE INDEX IF NOT EXISTS retention_kept_run ON retention_kept (run_id);

-- step: the rule that kept a package of the list
-- Null: the rule of the run decided.
ALTER TABLE retention_item ADD COLUMN IF NOT EXISTS rule_id bigint, ADD COLUMN IF NOT EXISTS rule text;

-- step: the packages of one normal name, in the order of their numbers
DROP INDEX CONCURRENTLY IF EXISTS package_of_normal_name;

-- step: the index
CREATE INDEX CONCURRENTLY package_of_normal_name ON package (project_id, normal_name, id)
    WHERE status IN ('default', 'error', 'deprecated') AND normal_name IS NOT NULL;

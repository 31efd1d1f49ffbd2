-- Names of packages as rows of their own, which survive their packages. Searches read them: there are far fewer names
-- than packages.

-- step: the table
CREATE TABLE IF NOT EXISTS package_name (
    project_id bigint NOT NULL REFERENCES project (id),
    package_type text NOT NULL,
    name text NOT NULL,
    normal_name text NOT NULL GENERATED ALWAYS AS (normal_name(package_type, name)) STORED,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, package_type, name)
);
CREATE INDEX IF NOT EXISTS package_name_normal ON package_name (project_id, package_type, normal_name);

-- step: each new name gets a row.
-- Names are inserted in one order. Two transactions with the same new names then never wait for each other in a circle.
CREATE OR REPLACE FUNCTION keep_new_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_name (project_id, package_type, name)
    SELECT DISTINCT r.project_id, r.package_type, r.name FROM new_rows r
     WHERE NOT EXISTS (SELECT FROM package_name n
                        WHERE (n.project_id, n.package_type, n.name) = (r.project_id, r.package_type, r.name))
     ORDER BY 1, 2, 3
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE OR REPLACE FUNCTION keep_changed_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_name (project_id, package_type, name) VALUES (NEW.project_id, NEW.package_type, NEW.name)
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER keep_new_names AFTER INSERT ON package
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_new_names();
CREATE OR REPLACE TRIGGER keep_changed_name AFTER UPDATE OF project_id, package_type, name ON package
    FOR EACH ROW WHEN ((OLD.project_id, OLD.package_type, OLD.name) IS DISTINCT FROM (NEW.project_id, NEW.package_type, NEW.name))
    EXECUTE FUNCTION keep_changed_name();

-- step: the names of the packages that were there before, by their ids.
-- No index finds all packages of one project, so a project at a time would read the whole table for each project.
DO $$
DECLARE
    done_to bigint := 0;
    up_to bigint;
BEGIN
    LOOP
        SELECT max(id) INTO up_to FROM (SELECT id FROM package WHERE id > done_to ORDER BY id LIMIT 10000) batch;
        EXIT WHEN up_to IS NULL;
        INSERT INTO package_name (project_id, package_type, name)
        SELECT DISTINCT project_id, package_type, name FROM package WHERE id > done_to AND id <= up_to ORDER BY 1, 2, 3
            ON CONFLICT DO NOTHING;
        COMMIT;
        done_to := up_to;
    END LOOP;
END
$$;

-- step: what an attempt that failed may have left
DROP INDEX CONCURRENTLY IF EXISTS package_name_trigrams;

-- step: words of names
CREATE INDEX CONCURRENTLY package_name_trigrams ON package_name USING gin (name gin_trgm_ops);

-- Figures of projects, kept in the transactions that change them; and what a check of the storage remembers.
--
-- The share of a row in the figures depends on that row alone, so no order of transactions can make them wrong. A file
-- adds to the bytes of its project, and to the figures of its package. A package that is shown adds its own figures to
-- the project. A change is a row of its own, which the scheduler adds up later: nobody waits for another's figures.
-- Each table is changed in a step of its own. A step that locked two of them would wait for readers that have locked
-- one and want the other.

-- step: the figures
CREATE TABLE IF NOT EXISTS package_statistic (
    project_id bigint NOT NULL,
    package_type text NOT NULL,
    packages bigint NOT NULL,
    files bigint NOT NULL,
    logical_bytes bigint NOT NULL,
    physical_bytes bigint NOT NULL,
    PRIMARY KEY (project_id, package_type)
);
-- The changes that are still to be added to them.
CREATE TABLE IF NOT EXISTS package_statistic_change (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id bigint NOT NULL,
    package_type text NOT NULL,
    packages bigint NOT NULL DEFAULT 0,
    files bigint NOT NULL DEFAULT 0,
    logical_bytes bigint NOT NULL DEFAULT 0,
    physical_bytes bigint NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS package_statistic_change_project ON package_statistic_change (project_id);

-- step: what a check of the storage remembers
-- Objects without a file row, taken aside, or about to be (moved_at is null). No file row can refer to them again.
CREATE TABLE IF NOT EXISTS quarantined_object (
    storage_key text COLLATE "C" PRIMARY KEY,
    size bigint NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now(),
    moved_at timestamptz
);
CREATE INDEX IF NOT EXISTS quarantined_object_age ON quarantined_object (moved_at);
-- Objects that have another checksum than their rows say, or cannot be read for that reason; until they are compared again.
CREATE TABLE IF NOT EXISTS damaged_object (
    storage_key text COLLATE "C" PRIMARY KEY,
    sha256 bytea,
    reason text,
    found_at timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(sha256, reason) = 1)
);
-- One row: when the last check by the scheduler began, and how far checksums were compared (null: to the end).
CREATE TABLE IF NOT EXISTS storage_check (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    checked_at timestamptz NOT NULL DEFAULT now(),
    verified_to text COLLATE "C",
    verified bigint NOT NULL DEFAULT 0
);
INSERT INTO storage_check DEFAULT VALUES ON CONFLICT DO NOTHING;

-- step: how changes are counted
CREATE OR REPLACE FUNCTION is_shown(package_status text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN package_status IN ('default', 'error', 'deprecated');

CREATE OR REPLACE FUNCTION is_shown_file(file_status text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN file_status IN ('default', 'error');

-- new_rows and old_rows are what the statement wrote and what it found there.
CREATE OR REPLACE FUNCTION count_new_packages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_statistic_change (project_id, package_type, packages, files, logical_bytes)
    SELECT project_id, package_type, count(*), sum(shown_files), sum(shown_bytes)
      FROM new_rows WHERE is_counted AND is_shown(status) GROUP BY project_id, package_type;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION count_old_packages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_statistic_change (project_id, package_type, packages, files, logical_bytes)
    SELECT project_id, package_type, -count(*), -sum(shown_files), -sum(shown_bytes)
      FROM old_rows WHERE is_counted AND is_shown(status) GROUP BY project_id, package_type;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION count_changed_packages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_statistic_change (project_id, package_type, packages, files, logical_bytes)
    SELECT project_id, package_type, sum(way), sum(way * shown_files), sum(way * shown_bytes)
      FROM (SELECT 1 AS way, project_id, package_type, shown_files, shown_bytes FROM new_rows
             WHERE is_counted AND is_shown(status)
             UNION ALL
            SELECT -1, project_id, package_type, shown_files, shown_bytes FROM old_rows
             WHERE is_counted AND is_shown(status)) shown
     GROUP BY project_id, package_type
    HAVING sum(way) <> 0 OR sum(way * shown_files) <> 0 OR sum(way * shown_bytes) <> 0;
    RETURN NULL;
END
$$;

-- A package's row is touched only if its figures change; a transaction that changes them has usually locked it before.
CREATE OR REPLACE FUNCTION count_new_files() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_statistic_change (project_id, package_type, physical_bytes)
    SELECT p.project_id, p.package_type, sum(f.size)
      FROM new_rows f JOIN package p ON p.id = f.package_id WHERE f.is_counted GROUP BY p.project_id, p.package_type;
    WITH changed AS (
        SELECT package_id, count(*) AS files, sum(size) AS bytes FROM new_rows
         WHERE is_counted AND is_shown_file(status) GROUP BY package_id
    ), locked AS (
        SELECT p.id, c.files, c.bytes FROM package p JOIN changed c ON c.package_id = p.id ORDER BY p.id
           FOR NO KEY UPDATE OF p
    )
    UPDATE package p SET shown_files = p.shown_files + l.files, shown_bytes = p.shown_bytes + l.bytes
      FROM locked l WHERE p.id = l.id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION count_old_files() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_statistic_change (project_id, package_type, physical_bytes)
    SELECT p.project_id, p.package_type, -sum(f.size)
      FROM old_rows f JOIN package p ON p.id = f.package_id WHERE f.is_counted GROUP BY p.project_id, p.package_type;
    WITH changed AS (
        SELECT package_id, count(*) AS files, sum(size) AS bytes FROM old_rows
         WHERE is_counted AND is_shown_file(status) GROUP BY package_id
    ), locked AS (
        SELECT p.id, c.files, c.bytes FROM package p JOIN changed c ON c.package_id = p.id ORDER BY p.id
           FOR NO KEY UPDATE OF p
    )
    UPDATE package p SET shown_files = p.shown_files - l.files, shown_bytes = p.shown_bytes - l.bytes
      FROM locked l WHERE p.id = l.id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION count_changed_files() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_statistic_change (project_id, package_type, physical_bytes)
    SELECT p.project_id, p.package_type, sum(f.bytes)
      FROM (SELECT package_id, size AS bytes FROM new_rows WHERE is_counted
             UNION ALL
            SELECT package_id, -size FROM old_rows WHERE is_counted) f
      JOIN package p ON p.id = f.package_id
     GROUP BY p.project_id, p.package_type HAVING sum(f.bytes) <> 0;
    WITH changed AS (
        SELECT package_id, sum(way) AS files, sum(way * size) AS bytes
          FROM (SELECT 1 AS way, package_id, size FROM new_rows WHERE is_counted AND is_shown_file(status)
                 UNION ALL
                SELECT -1, package_id, size FROM old_rows WHERE is_counted AND is_shown_file(status)) shown
         GROUP BY package_id HAVING sum(way) <> 0 OR sum(way * size) <> 0
    ), locked AS (
        SELECT p.id, c.files, c.bytes FROM package p JOIN changed c ON c.package_id = p.id ORDER BY p.id
           FOR NO KEY UPDATE OF p
    )
    UPDATE package p SET shown_files = p.shown_files + l.files, shown_bytes = p.shown_bytes + l.bytes
      FROM locked l WHERE p.id = l.id;
    RETURN NULL;
END
$$;

-- An upload that took so long that its object was taken for nobody's is refused; its client sends it again.
CREATE OR REPLACE FUNCTION refuse_quarantined() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    taken text;
BEGIN
    SELECT f.storage_key INTO taken FROM new_rows f CROSS JOIN LATERAL (
        SELECT FROM quarantined_object q WHERE q.storage_key = f.storage_key LIMIT 1) q LIMIT 1;
    IF FOUND THEN
        RAISE unique_violation USING MESSAGE = format('the object %s was without a file for so long that it was taken aside', taken);
    END IF;
    RETURN NULL;
END
$$;

-- step: packages
-- is_counted: what was there before is not, at first.
ALTER TABLE package
    ADD COLUMN IF NOT EXISTS is_counted boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS shown_files bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS shown_bytes bigint NOT NULL DEFAULT 0;
ALTER TABLE package ALTER COLUMN is_counted SET DEFAULT true;
CREATE OR REPLACE TRIGGER count_new_packages AFTER INSERT ON package
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_new_packages();
CREATE OR REPLACE TRIGGER count_changed_packages AFTER UPDATE ON package
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_changed_packages();
CREATE OR REPLACE TRIGGER count_old_packages AFTER DELETE ON package
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_old_packages();

-- step: files
ALTER TABLE package_file ADD COLUMN IF NOT EXISTS is_counted boolean NOT NULL DEFAULT false;
ALTER TABLE package_file ALTER COLUMN is_counted SET DEFAULT true;
CREATE OR REPLACE TRIGGER count_new_files AFTER INSERT ON package_file
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_new_files();
CREATE OR REPLACE TRIGGER count_changed_files AFTER UPDATE ON package_file
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_changed_files();
CREATE OR REPLACE TRIGGER count_old_files AFTER DELETE ON package_file
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_old_files();
CREATE OR REPLACE TRIGGER refuse_quarantined AFTER INSERT ON package_file
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION refuse_quarantined();

-- step: count what was there before, a few rows at a time
-- Packages are locked first, as in all other changes of shown files. Only a worker removes its files before their
-- package. So we wait for nobody longer than a moment, and then let go of all that we have locked and begin again.
DO $$
DECLARE
    before bigint := 0;
    last bigint;
    is_done boolean;
BEGIN
    LOOP
        SELECT max(id) INTO last FROM (SELECT id FROM package WHERE id > before ORDER BY id LIMIT 1000) few;
        EXIT WHEN last IS NULL;
        LOOP
            BEGIN
                SET LOCAL lock_timeout = '100ms';
                PERFORM FROM package WHERE id > before AND id <= last ORDER BY id FOR NO KEY UPDATE;
                UPDATE package_file SET is_counted = true WHERE id IN (
                    SELECT id FROM package_file
                     WHERE package_id > before AND package_id <= last AND NOT is_counted LIMIT 5000);
                is_done := NOT FOUND;
                IF is_done THEN
                    UPDATE package SET is_counted = true WHERE id > before AND id <= last AND NOT is_counted;
                END IF;
            EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
                is_done := false;
            END;
            COMMIT;
            EXIT WHEN is_done;
        END LOOP;
        before := last;
    END LOOP;
END
$$;

-- Rules of retention, their runs, and what the rules read of a package.

-- step: when a package came into this instance
-- An import keeps the moment of publishing. A package that was never downloaded counts from the later of the two.
ALTER TABLE package ADD COLUMN IF NOT EXISTS arrived_at timestamptz NOT NULL DEFAULT now();

-- step: the column of orders of versions
-- A text that sorts, byte by byte, as the versions of its type do. Null: version_key has the order, or there is none.
ALTER TABLE package ADD COLUMN IF NOT EXISTS version_order text COLLATE "C";

-- step: the orders of versions
-- A number sorts by its size: its length is written as one letter before it.
CREATE OR REPLACE FUNCTION number_order(number text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN chr(65 + least(length(ltrim(number, '0')), 60)) || ltrim(number, '0');

-- The order of PEP 440. A text that it does not know comes before all that it knows. The parts of the match: epoch,
-- release, pre-release and its number, post release, development release, local part.
CREATE OR REPLACE FUNCTION pypi_order(version text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    part text[] := regexp_match(normal_pypi_version(version),
        '^(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)(?:(a|b|rc)([0-9]+))?(?:\.post([0-9]+))?(?:\.dev([0-9]+))?(?:\+(.*))?$');
    result text;
    word text;
BEGIN
    IF part IS NULL THEN
        RETURN '0' || version;
    END IF;
    result := '1' || number_order(coalesce(part[1], '0'));
    FOREACH word IN ARRAY string_to_array(part[2], '.') LOOP
        result := result || number_order(word);
    END LOOP;
    result := result || ' '
        || CASE WHEN part[3] IS NOT NULL THEN left(replace(part[3], 'rc', 'c'), 1) || number_order(part[4])
                WHEN part[5] IS NULL AND part[6] IS NOT NULL THEN '0' ELSE '~' END
        || CASE WHEN part[5] IS NULL THEN '0' ELSE '1' || number_order(part[5]) END
        || CASE WHEN part[6] IS NULL THEN '1' ELSE '0' || number_order(part[6]) END;
    FOREACH word IN ARRAY coalesce(string_to_array(part[7], '.'), '{}') LOOP
        result := result || CASE WHEN word ~ '^[0-9]+$' THEN '1' || number_order(word) ELSE '0' || word END || ' ';
    END LOOP;
    RETURN result;
END
$$;

-- The order of Maven. Each token is one letter and its value. The letters a to e are the qualifiers before a release,
-- and f is the end. Then come g for sp, h for any other qualifier, i for a number after a hyphen, j for one after a
-- dot. Zeros and the words for a release count for nothing at the end and before a qualifier or a hyphen.
CREATE OR REPLACE FUNCTION maven_order(version text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    token text[];
    result text := '';
    zeros text := '';
BEGIN
    FOR token IN
        SELECT regexp_matches(
            regexp_replace(regexp_replace(regexp_replace(lower(version),
                '(^|[^a-z])a(?=[0-9])', '\1alpha', 'g'), '(^|[^a-z])b(?=[0-9])', '\1beta', 'g'),
                '(^|[^a-z])m(?=[0-9])', '\1milestone', 'g'),
            '([-._]?)([0-9]+|[^-._0-9]+)', 'g')
    LOOP
        IF token[2] ~ '^[0-9]' AND (token[1] = '.' OR result = '' AND zeros = '') THEN
            IF ltrim(token[2], '0') = '' THEN
                zeros := zeros || 'jA';
            ELSE
                result := result || zeros || 'j' || number_order(token[2]);
                zeros := '';
            END IF;
            CONTINUE;
        END IF;
        zeros := CASE WHEN result = '' THEN zeros ELSE '' END;
        result := result || zeros;
        zeros := '';
        IF token[2] ~ '^[0-9]' THEN
            result := result || CASE WHEN ltrim(token[2], '0') = '' THEN '' ELSE 'i' || number_order(token[2]) END;
        ELSE
            result := result || CASE token[2] WHEN 'alpha' THEN 'a' WHEN 'beta' THEN 'b' WHEN 'milestone' THEN 'c'
                WHEN 'rc' THEN 'd' WHEN 'cr' THEN 'd' WHEN 'snapshot' THEN 'e' WHEN 'final' THEN '' WHEN 'ga' THEN ''
                WHEN 'release' THEN '' WHEN 'sp' THEN 'g' ELSE 'h' || token[2] || ' ' END;
        END IF;
    END LOOP;
    RETURN result || 'f';
END
$$;

-- Whether a version is a pre-release, by the words of its type. Null for a package without a version.
CREATE OR REPLACE FUNCTION is_prerelease(package_type text, version text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE package_type
        WHEN 'pypi' THEN lower(split_part(version, '+', 1))
            ~ '([0-9][-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?[0-9]*([-_.]|post|rev|r|dev|$))|([-_.0-9]dev[-_.]?[0-9]*$)'
        WHEN 'maven' THEN lower(version)
            ~ '((^|[-._0-9])(alpha|beta|milestone|rc|cr|snapshot|pre|preview|dev|ea)([-._0-9]|$))|([-._0-9][abm][0-9])'
        WHEN 'rubygems' THEN version ~ '[A-Za-z]'
        WHEN 'debian' THEN version ~ '~'
        WHEN 'rpm' THEN version ~ '~'
        ELSE version ~ '^[vV]?[0-9]+(\.[0-9]+)*-[0-9A-Za-z]' END;

CREATE OR REPLACE FUNCTION set_version_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version_order := CASE NEW.package_type WHEN 'pypi' THEN pypi_order(NEW.version)
                                               ELSE maven_order(NEW.version) END;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER package_version_order BEFORE INSERT OR UPDATE OF version ON package
    FOR EACH ROW WHEN (NEW.package_type IN ('maven', 'pypi')) EXECUTE FUNCTION set_version_order();

-- step: the orders of the packages that are there, a few rows at a time
DO $$
DECLARE
    before bigint := 0;
    last bigint;
BEGIN
    LOOP
        SELECT max(id) INTO last FROM (SELECT id FROM package WHERE id > before ORDER BY id LIMIT 5000) few;
        EXIT WHEN last IS NULL;
        UPDATE package SET version_order = CASE package_type WHEN 'pypi' THEN pypi_order(version)
                                                             ELSE maven_order(version) END
         WHERE id > before AND id <= last AND package_type IN ('maven', 'pypi') AND version IS NOT NULL
           AND version_order IS NULL;
        COMMIT;
        before := last;
    END LOOP;
END
$$;

-- step: rules
-- No group and no project: a rule of the instance. version counts the changes of its meaning. seen_version: the one
-- whose effect somebody could see, by a preview or a dry run.
CREATE TABLE IF NOT EXISTS retention_rule (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    group_id bigint REFERENCES directory_group (id),
    project_id bigint REFERENCES project (id),
    name text NOT NULL CHECK (name <> '' AND char_length(name) <= 255),
    definition jsonb NOT NULL,
    version integer NOT NULL DEFAULT 1,
    seen_version integer NOT NULL DEFAULT 0,
    next_run_at timestamptz,
    paused_at timestamptz,
    pause_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(group_id, project_id) <= 1)
);
CREATE UNIQUE INDEX IF NOT EXISTS retention_rule_name ON retention_rule (group_id, project_id, name) NULLS NOT DISTINCT;
CREATE INDEX IF NOT EXISTS retention_rule_due ON retention_rule (next_run_at) WHERE next_run_at IS NOT NULL;

-- step: runs
-- The id is that of the batch of its deletions, too. The record outlives its rule, so it keeps what the rule was.
CREATE TABLE IF NOT EXISTS retention_run (
    id uuid PRIMARY KEY,
    rule_id bigint NOT NULL,
    rule_version integer NOT NULL,
    rule_name text NOT NULL,
    group_id bigint,
    project_id bigint,
    definition jsonb NOT NULL,
    cause text NOT NULL CHECK (cause IN ('schedule', 'hand')),
    dry_run boolean NOT NULL,
    state text NOT NULL DEFAULT 'planning' CHECK (state IN
        ('planning', 'awaiting_approval', 'deleting', 'finished', 'lapsed', 'failed', 'undone')),
    requested_by bigint,
    requested_at timestamptz NOT NULL DEFAULT now(),
    planned_at timestamptz,
    approved_by bigint,
    approved_at timestamptz,
    lapses_at timestamptz,
    finished_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    error text,
    packages bigint NOT NULL DEFAULT 0,
    files bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    verdicts jsonb NOT NULL DEFAULT '[]',
    CHECK ((state IN ('finished', 'lapsed', 'failed', 'undone')) = (finished_at IS NOT NULL))
);
CREATE UNIQUE INDEX IF NOT EXISTS retention_run_open ON retention_run (rule_id) WHERE finished_at IS NULL;
CREATE INDEX IF NOT EXISTS retention_run_ended ON retention_run (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS retention_run_by_rule ON retention_run (rule_id, id);

-- step: the packages of a run
CREATE TABLE IF NOT EXISTS retention_item (
    run_id uuid NOT NULL REFERENCES retention_run (id) ON DELETE CASCADE,
    package_id bigint NOT NULL,
    project_id bigint NOT NULL,
    package_type text NOT NULL,
    name text NOT NULL,
    version text,
    files bigint NOT NULL,
    bytes bigint NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('planned', 'deleted', 'kept', 'refused')),
    reason text,
    PRIMARY KEY (run_id, package_id)
);
CREATE INDEX IF NOT EXISTS retention_item_planned ON retention_item (run_id, package_id) WHERE outcome = 'planned';

-- step: what a rule may not take again
-- A package that somebody restored stays out of the reach of that version of the rule.
CREATE TABLE IF NOT EXISTS retention_spared (
    package_id bigint NOT NULL,
    rule_id bigint NOT NULL REFERENCES retention_rule (id) ON DELETE CASCADE,
    rule_version integer NOT NULL,
    deletion_id uuid NOT NULL,
    spared_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (package_id, rule_id)
);
CREATE INDEX IF NOT EXISTS retention_spared_rule ON retention_spared (rule_id);

-- step: each restore spares its package
CREATE OR REPLACE FUNCTION spare_restored() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO retention_spared (package_id, rule_id, rule_version, deletion_id)
    SELECT d.package_id, r.id, n.rule_version, d.id
      FROM deletion d JOIN retention_run n ON n.id = d.batch_id JOIN retention_rule r ON r.id = n.rule_id
     WHERE d.id = NEW.deletion_id AND d.cause = 'policy'
        ON CONFLICT (package_id, rule_id) DO UPDATE
       SET (rule_version, deletion_id, spared_at) = (excluded.rule_version, excluded.deletion_id, excluded.spared_at);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER spare_restored AFTER INSERT ON deletion_act
    FOR EACH ROW WHEN (NEW.action = 'restore') EXECUTE FUNCTION spare_restored();

-- A package manager may write one name in several ways, such as Foo_Bar and foo-bar. The normal form is the same for all.

-- step: the columns
-- Each step locks one table. Uploads lock a package first, and deletions a file, so two locks could meet either.
ALTER TABLE package ADD COLUMN IF NOT EXISTS normal_name text, ADD COLUMN IF NOT EXISTS normal_version text;

-- step: the column of files
ALTER TABLE package_file ADD COLUMN IF NOT EXISTS details jsonb;

-- step: normal forms of PyPI, by PEP 503 and PEP 440
CREATE OR REPLACE FUNCTION normal_name(package_type text, name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN package_type = 'pypi' THEN lower(regexp_replace(name, '[-_.]+', '-', 'g')) ELSE name END;

CREATE OR REPLACE FUNCTION without_zeros(number text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(nullif(ltrim(number, '0'), ''), '0');

-- The parts of the match: epoch, release, pre-release and its number, post release (two ways) and its number,
-- development release and its number, local part. A version that PEP 440 does not know is its own normal form.
CREATE OR REPLACE FUNCTION normal_pypi_version(version text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    part text[] := regexp_match(lower(btrim(version)),
        '^v?(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)'
        '(?:[-_.]?(alpha|beta|preview|pre|rc|a|b|c)[-_.]?([0-9]+)?)?'
        '(?:-([0-9]+)|[-_.]?(post|rev|r)[-_.]?([0-9]+)?)?'
        '(?:[-_.]?(dev)[-_.]?([0-9]+)?)?'
        '(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$');
    pre_number text := without_zeros(coalesce(part[4], '0'));
    release text;
    local_part text;
BEGIN
    IF part IS NULL THEN
        RETURN lower(version);
    END IF;
    SELECT string_agg(without_zeros(number), '.' ORDER BY place) INTO release
      FROM unnest(string_to_array(part[2], '.')) WITH ORDINALITY AS r(number, place);
    SELECT string_agg(CASE WHEN word ~ '^[0-9]+$' THEN without_zeros(word) ELSE word END, '.' ORDER BY place)
      INTO local_part
      FROM unnest(regexp_split_to_array(part[10], '[-_.]')) WITH ORDINALITY AS l(word, place);
    RETURN CASE WHEN without_zeros(coalesce(part[1], '0')) = '0' THEN '' ELSE without_zeros(part[1]) || '!' END
        || regexp_replace(release, '(\.0)+$', '')
        || CASE WHEN part[3] IS NULL THEN ''
                WHEN part[3] IN ('a', 'alpha', 'b', 'beta') THEN left(part[3], 1) || pre_number
                ELSE 'rc' || pre_number END
        || CASE WHEN part[5] IS NULL AND part[6] IS NULL THEN ''
                ELSE '.post' || without_zeros(coalesce(part[5], part[7], '0')) END
        || CASE WHEN part[8] IS NULL THEN '' ELSE '.dev' || without_zeros(coalesce(part[9], '0')) END
        || coalesce('+' || local_part, '');
END
$$;

CREATE OR REPLACE FUNCTION normal_version(package_type text, version text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN package_type = 'pypi' THEN normal_pypi_version(version) ELSE version END;

-- step: each writer of a row gets the normal form
CREATE OR REPLACE FUNCTION set_normal_form() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.normal_name := normal_name(NEW.package_type, NEW.name);
    NEW.normal_version := normal_version(NEW.package_type, NEW.version);
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER package_normal_form BEFORE INSERT OR UPDATE OF name, version ON package
    FOR EACH ROW WHEN (NEW.package_type IN ('helm', 'pypi')) EXECUTE FUNCTION set_normal_form();

-- step: one package for each normal form
-- Rows of before have none yet. If two of them have the same, the newer one gets no normal version: both stay.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS package_taken_normal ON package
    (project_id, package_type, normal_name, normal_version)
    WHERE status IN ('default', 'hidden', 'deprecated') AND normal_name IS NOT NULL;

-- step: the packages that are there
UPDATE package p SET normal_name = n.normal_name,
       normal_version = CASE WHEN n.is_second THEN NULL ELSE n.normal_version END
  FROM (SELECT id, normal_name, normal_version,
               is_installable AND row_number() OVER (PARTITION BY project_id, package_type, normal_name, normal_version,
                                                                  is_installable ORDER BY id) > 1 AS is_second
          FROM (SELECT id, project_id, package_type, normal_name(package_type, name) AS normal_name,
                       normal_version(package_type, version) AS normal_version,
                       status IN ('default', 'hidden', 'deprecated') AS is_installable
                  FROM package WHERE package_type IN ('helm', 'pypi')) formed) n
 WHERE n.id = p.id AND p.normal_name IS NULL;

-- step: say which packages have the same normal form
DO $$
DECLARE
    clash record;
BEGIN
    FOR clash IN SELECT project_id, name, version FROM package
                  WHERE package_type IN ('helm', 'pypi') AND version IS NOT NULL AND normal_version IS NULL ORDER BY id LIMIT 100
    LOOP
        RAISE WARNING 'project %: the package % % has the same normal name and version as an older one',
            clash.project_id, clash.name, clash.version;
    END LOOP;
END
$$;

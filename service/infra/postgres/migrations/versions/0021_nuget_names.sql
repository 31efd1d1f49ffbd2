-- NuGet takes no notice of case, and 1.0, 1.0.0, 1.0.0.0, 01.0 and 1.0.0+build are one version.

-- step: normal forms of NuGet
-- A version that NuGet does not know is its own normal form, in lower case.
CREATE OR REPLACE FUNCTION normal_nuget_version(version text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    part text[] := regexp_match(lower(btrim(version)),
        '^([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:\.([0-9]+))?(-[0-9a-z.-]+)?(?:\+[0-9a-z.-]+)?$');
BEGIN
    IF part IS NULL THEN
        RETURN lower(version);
    END IF;
    RETURN without_zeros(part[1]) || '.' || without_zeros(coalesce(part[2], '0'))
        || '.' || without_zeros(coalesce(part[3], '0'))
        || CASE WHEN without_zeros(coalesce(part[4], '0')) = '0' THEN '' ELSE '.' || without_zeros(part[4]) END
        || coalesce(part[5], '');
END
$$;

CREATE OR REPLACE FUNCTION normal_name(package_type text, name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE package_type
        WHEN 'pypi' THEN lower(regexp_replace(name, '[-_.]+', '-', 'g'))
        WHEN 'nuget' THEN lower(name)
        ELSE name END;

CREATE OR REPLACE FUNCTION normal_version(package_type text, version text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE package_type
        WHEN 'pypi' THEN normal_pypi_version(version)
        WHEN 'nuget' THEN normal_nuget_version(version)
        ELSE version END;

-- step: each writer of a row gets the normal form
CREATE OR REPLACE TRIGGER package_normal_form BEFORE INSERT OR UPDATE OF name, version ON package
    FOR EACH ROW WHEN (NEW.package_type IN ('helm', 'nuget', 'pypi')) EXECUTE FUNCTION set_normal_form();

-- step: what an attempt that failed may have left
DROP INDEX CONCURRENTLY IF EXISTS package_of_nuget;

-- step: the way to the packages of a project. Without it, each project would read the whole table.
CREATE INDEX CONCURRENTLY package_of_nuget ON package (project_id) WHERE package_type = 'nuget';

-- step: the packages that are there, a project at a time.
-- If two of them have the same normal form, the newer one gets no normal version: both stay. One that was published
-- since the step before has its form already, and keeps it.
DO $$
DECLARE
    place bigint;
BEGIN
    FOR place IN SELECT DISTINCT project_id FROM package WHERE package_type = 'nuget' ORDER BY project_id LOOP
        UPDATE package p SET normal_name = n.normal_name,
               normal_version = CASE WHEN n.is_second THEN NULL ELSE n.normal_version END
          FROM (SELECT id, is_formed, normal_name, normal_version,
                       is_installable AND row_number() OVER (PARTITION BY normal_name, normal_version, is_installable
                                                                 ORDER BY is_formed DESC, id) > 1 AS is_second
                  FROM (SELECT id, normal_name IS NOT NULL AS is_formed, normal_name('nuget', name) AS normal_name,
                               normal_version('nuget', version) AS normal_version,
                               status IN ('default', 'hidden', 'deprecated') AS is_installable
                          FROM package WHERE project_id = place AND package_type = 'nuget') formed) n
         WHERE n.id = p.id AND NOT n.is_formed;
        COMMIT;
    END LOOP;
END
$$;

-- step: the way is not needed any more
DROP INDEX CONCURRENTLY IF EXISTS package_of_nuget;

-- step: the rows of their names, whose normal form is computed
UPDATE package_name SET name = name WHERE package_type = 'nuget' AND normal_name <> lower(name);

-- step: say which packages have the same normal form
DO $$
DECLARE
    clash record;
BEGIN
    FOR clash IN SELECT project_id, name, version FROM package
                  WHERE package_type = 'nuget' AND version IS NOT NULL AND normal_version IS NULL ORDER BY id LIMIT 100
    LOOP
        RAISE WARNING 'project %: the package % % has the same normal name and version as an older one',
            clash.project_id, clash.name, clash.version;
    END LOOP;
END
$$;

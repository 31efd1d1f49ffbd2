-- The parts that listings by semantic version need, and the order of a package's builds.

-- A text that sorts, byte by byte, as semantic versions do (semver.org, section 11). Numbers sort by their size, a
-- pre-release before its release; build data has no weight. More or fewer than three numbers are fine, and a leading v
-- is ignored. A text that is no semantic version comes before all that are, as text.
CREATE FUNCTION semver_key(version text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    parts text[] := regexp_match(version, '^[vV]?(\d+(?:\.\d+)*)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?$');
    numbers text[];
    result text := '1';
    part text;
BEGIN
    numbers := string_to_array(parts[1], '.');
    -- A number's length is written as one letter.
    IF parts IS NULL OR (SELECT max(length(n)) FROM unnest(numbers) n) > 60 THEN
        RETURN '0' || version;
    END IF;
    WHILE cardinality(numbers) < 3 LOOP
        numbers := numbers || '0'::text;
    END LOOP;
    FOREACH part IN ARRAY numbers LOOP
        part := ltrim(part, '0');
        result := result || chr(65 + length(part)) || part;
    END LOOP;
    IF parts[2] IS NULL THEN
        RETURN result || '$';
    END IF;
    result := result || '!';
    FOREACH part IN ARRAY string_to_array(parts[2], '.') LOOP
        IF part ~ '^\d+$' AND length(part) <= 60 THEN
            part := ltrim(part, '0');
            result := result || '0' || chr(65 + length(part)) || part || ' ';
        ELSE
            result := result || '1' || part || ' ';
        END IF;
    END LOOP;
    RETURN result;
END
$$;

-- Kept, since a list of what was searched for sorts many rows that no index has in order. A trigger keeps it.
-- Unlike a generated column it does not rewrite the table, and writers of the release before need not know of it.
ALTER TABLE package ADD COLUMN version_key text COLLATE "C";

CREATE FUNCTION keep_version_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version_key := semver_key(NEW.version);
    RETURN NEW;
END
$$;
CREATE TRIGGER keep_version_key BEFORE INSERT OR UPDATE OF version ON package
    FOR EACH ROW EXECUTE FUNCTION keep_version_key();

-- Which build came first: that of a pipeline with a lower number may have come later. Earlier builds have no
-- position, and come first in the order of their numbers.
CREATE SEQUENCE build_position;
ALTER TABLE package_build ADD COLUMN position bigint;
ALTER TABLE package_build ALTER COLUMN position SET DEFAULT nextval('build_position');
ALTER TABLE package_file_build ADD COLUMN position bigint;
ALTER TABLE package_file_build ALTER COLUMN position SET DEFAULT nextval('build_position');

CREATE OR REPLACE FUNCTION package_pipelines(package_id bigint) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE RETURN
    (SELECT jsonb_agg(pipeline_entity(p) ORDER BY b.position NULLS FIRST, p.id)
       FROM package_build b JOIN pipeline p ON p.id = b.pipeline_id WHERE b.package_id = $1);

CREATE OR REPLACE FUNCTION package_file_pipelines(package_file_id bigint) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE RETURN
    (SELECT jsonb_agg(pipeline_entity(p) ORDER BY b.position NULLS FIRST, p.id)
       FROM package_file_build b JOIN pipeline p ON p.id = b.pipeline_id WHERE b.package_file_id = $1);

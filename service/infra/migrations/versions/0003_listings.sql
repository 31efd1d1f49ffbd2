-- What listings by semantic version need.

-- A text that sorts, byte by byte, as semantic versions do (semver.org, section 11): numbers by their size, a
-- pre-release before its release, build data of no weight. More or fewer than three numbers are fine, a leading v is
-- ignored, and what is no semantic version comes before all that are, as text.
CREATE FUNCTION semver_key(version text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    parts text[] := regexp_match(version, '^[vV]?(\d{1,60}(?:\.\d{1,60}){0,20})(?:-([0-9A-Za-z.-]+))?(?:\+.*)?$');
    numbers text[];
    result text := '1';
    part text;
BEGIN
    IF parts IS NULL THEN
        RETURN '0' || version;
    END IF;
    numbers := string_to_array(parts[1], '.');
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
        IF part ~ '^\d{1,60}$' THEN
            part := ltrim(part, '0');
            result := result || '0' || chr(65 + length(part)) || part || ' ';
        ELSE
            result := result || '1' || part || ' ';
        END IF;
    END LOOP;
    RETURN result;
END
$$;

CREATE INDEX package_by_semver ON package (project_id, (semver_key(version) COLLATE "C"), id)
    WHERE status IN ('default', 'error', 'deprecated');

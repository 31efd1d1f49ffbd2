-- The lock of a version that leaves, and runs of retention rules that somebody refused.

-- step: the lock that a new package of a version needs.
-- It waits for a worker that is about to end the last package of that version, or for a restore of it. A restore has
-- this lock before it takes the version back, so an upload takes it before it writes the version. Always true.
CREATE OR REPLACE FUNCTION lock_leaving_version(project_id bigint, package_type text, name text, version text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM used_version u JOIN package p ON p.id = u.package_id
      WHERE u.project_id = $1 AND u.package_type = $2 AND u.name = used_name($2, $3, NULL, NULL)
        AND u.version = used_form($2, $4)
        FOR KEY SHARE OF p;
    RETURN true;
END
$$;

-- step: who refused a run, and when.
-- Its state stays `lapsed` in the table, so that the version before can read it.
ALTER TABLE retention_run ADD COLUMN IF NOT EXISTS refused_by bigint, ADD COLUMN IF NOT EXISTS refused_at timestamptz;

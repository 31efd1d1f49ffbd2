-- Figures of projects: sums, and the changes that are still to be added.

-- name: package_statistics
SELECT package_type, sum(packages)::bigint AS packages, sum(files)::bigint AS files,
       sum(logical_bytes)::bigint AS logical_bytes, sum(physical_bytes)::bigint AS physical_bytes
  FROM (SELECT package_type, packages, files, logical_bytes, physical_bytes
          FROM package_statistic WHERE project_id = ANY(:project_ids::bigint[])
         UNION ALL
        SELECT package_type, packages, files, logical_bytes, physical_bytes
          FROM package_statistic_change WHERE project_id = ANY(:project_ids::bigint[])) figures
 GROUP BY package_type
HAVING sum(packages) <> 0 OR sum(files) <> 0 OR sum(logical_bytes) <> 0 OR sum(physical_bytes) <> 0
 ORDER BY package_type;

-- name: fold_statistics
-- Changes are added in the transaction that deletes them; returns how many there were. A day has the sum of its changes,
-- and only its losses as what was freed.
WITH taken AS (
    DELETE FROM package_statistic_change WHERE position = ANY(ARRAY(
        SELECT position FROM package_statistic_change ORDER BY position LIMIT :limit FOR UPDATE SKIP LOCKED))
    RETURNING *
), added AS (
    INSERT INTO package_statistic AS s (project_id, package_type, packages, files, logical_bytes, physical_bytes)
    SELECT project_id, package_type, sum(packages), sum(files), sum(logical_bytes), sum(physical_bytes)
      FROM taken GROUP BY project_id, package_type ORDER BY project_id, package_type
        ON CONFLICT (project_id, package_type) DO UPDATE
       SET packages = s.packages + excluded.packages, files = s.files + excluded.files,
           logical_bytes = s.logical_bytes + excluded.logical_bytes,
           physical_bytes = s.physical_bytes + excluded.physical_bytes
), noted AS (
    INSERT INTO package_statistic_day AS d (day, project_id, packages, logical_bytes, physical_bytes, freed_bytes)
    SELECT (now() AT TIME ZONE 'UTC')::date, project_id, sum(packages), sum(logical_bytes), sum(physical_bytes),
           sum(greatest(-physical_bytes, 0))
      FROM taken GROUP BY project_id ORDER BY project_id
        ON CONFLICT (project_id, day) DO UPDATE
       SET packages = d.packages + excluded.packages, logical_bytes = d.logical_bytes + excluded.logical_bytes,
           physical_bytes = d.physical_bytes + excluded.physical_bytes,
           freed_bytes = d.freed_bytes + excluded.freed_bytes
)
SELECT count(*) AS changes FROM taken;

-- name: prune_statistic_days
WITH pruned AS (
    DELETE FROM package_statistic_day WHERE (project_id, day) IN (
        SELECT project_id, day FROM package_statistic_day
         WHERE day < (now() AT TIME ZONE 'UTC' - :kept::interval)::date LIMIT :limit)
    RETURNING 1
)
SELECT count(*) AS days FROM pruned;

-- name: miscounted_packages
-- Finds packages whose figures differ from their files.
SELECT p.id, p.project_id, p.package_type, p.name, p.version, p.shown_files, p.shown_bytes, f.files, f.bytes
  FROM package p CROSS JOIN LATERAL (
    SELECT count(*) AS files, coalesce(sum(size), 0)::bigint AS bytes FROM package_file f
     WHERE f.package_id = p.id AND is_shown_file(f.status)) f
 WHERE p.id > :after AND (p.shown_files, p.shown_bytes) <> (f.files, f.bytes)
 ORDER BY p.id LIMIT :limit;

-- name: lock_package_to_count
-- This is a statement of its own, so the next one sees the files that were committed while we waited.
SELECT id FROM package WHERE id = :package_id FOR NO KEY UPDATE;

-- name: count_package_anew!
UPDATE package p SET shown_files = f.files, shown_bytes = f.bytes
  FROM (SELECT count(*) AS files, coalesce(sum(size), 0)::bigint AS bytes FROM package_file f
         WHERE f.package_id = :package_id AND is_shown_file(f.status)) f
 WHERE p.id = :package_id;

-- name: miscounted_projects
-- Reads all in one snapshot, in which rows and figures agree whatever else is written. Mending adds the difference as a
-- change, because concurrent writes do not alter the difference.
WITH held AS (
    SELECT package_id, sum(size) AS physical_bytes, count(*) FILTER (WHERE is_shown_file(status)) AS files,
           sum(size) FILTER (WHERE is_shown_file(status)) AS logical_bytes
      FROM package_file GROUP BY package_id
), right_figures AS (
    SELECT p.project_id, p.package_type, count(*) FILTER (WHERE is_shown(p.status)) AS packages,
           sum(h.files) FILTER (WHERE is_shown(p.status)) AS files,
           sum(h.logical_bytes) FILTER (WHERE is_shown(p.status)) AS logical_bytes, sum(h.physical_bytes) AS physical_bytes
      FROM package p LEFT JOIN held h ON h.package_id = p.id GROUP BY p.project_id, p.package_type
), kept_figures AS (
    SELECT project_id, package_type, sum(packages) AS packages, sum(files) AS files,
           sum(logical_bytes) AS logical_bytes, sum(physical_bytes) AS physical_bytes
      FROM (SELECT project_id, package_type, packages, files, logical_bytes, physical_bytes FROM package_statistic
             UNION ALL
            SELECT project_id, package_type, packages, files, logical_bytes, physical_bytes FROM package_statistic_change) t
     GROUP BY project_id, package_type
), both_figures AS (
    SELECT project_id, package_type,
           coalesce(r.packages, 0) AS packages, coalesce(t.packages, 0)::bigint AS kept_packages,
           coalesce(r.files, 0)::bigint AS files, coalesce(t.files, 0)::bigint AS kept_files,
           coalesce(r.logical_bytes, 0)::bigint AS logical_bytes, coalesce(t.logical_bytes, 0)::bigint AS kept_logical_bytes,
           coalesce(r.physical_bytes, 0)::bigint AS physical_bytes, coalesce(t.physical_bytes, 0)::bigint AS kept_physical_bytes
      FROM right_figures r FULL JOIN kept_figures t USING (project_id, package_type)
), different AS (
    SELECT * FROM both_figures
     WHERE (packages, files, logical_bytes, physical_bytes)
        <> (kept_packages, kept_files, kept_logical_bytes, kept_physical_bytes)
), mended AS (
    INSERT INTO package_statistic_change (project_id, package_type, packages, files, logical_bytes, physical_bytes)
    SELECT project_id, package_type, packages - kept_packages, files - kept_files, logical_bytes - kept_logical_bytes,
           physical_bytes - kept_physical_bytes
      FROM different WHERE :mend::boolean
)
SELECT project_id, package_type, packages, kept_packages, files, kept_files, logical_bytes, kept_logical_bytes,
       physical_bytes, kept_physical_bytes, count(*) OVER () AS total
  FROM different ORDER BY project_id, package_type LIMIT :limit;

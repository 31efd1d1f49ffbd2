-- Figures, versions and people that pages show beside a listing.

-- name: figures_of_projects
SELECT project_id, sum(packages)::bigint AS packages, sum(files)::bigint AS files,
       sum(logical_bytes)::bigint AS logical_bytes, sum(physical_bytes)::bigint AS physical_bytes
  FROM (SELECT project_id, packages, files, logical_bytes, physical_bytes
          FROM package_statistic WHERE project_id = ANY(:project_ids::bigint[])
         UNION ALL
        SELECT project_id, packages, files, logical_bytes, physical_bytes
          FROM package_statistic_change WHERE project_id = ANY(:project_ids::bigint[])) figures
 GROUP BY project_id;

-- name: figures_of_groups
-- A group has what is in the projects below it, if they are among the given ones.
WITH below AS MATERIALIZED (
    SELECT g.id, a.id AS above_id
      FROM directory_group g CROSS JOIN LATERAL unnest(g.ancestry) AS around (id)
      JOIN unnest(:group_ids::bigint[]) AS a (id) ON a.id = around.id
), wanted AS MATERIALIZED (
    SELECT p.id, b.above_id
      FROM unnest(:project_ids::bigint[]) AS w (id) JOIN project p ON p.id = w.id JOIN below b ON b.id = p.group_id
)
SELECT w.above_id AS group_id, sum(f.packages)::bigint AS packages, sum(f.logical_bytes)::bigint AS logical_bytes
  FROM wanted w
  -- We sum the types of a project before we find its groups, which takes a third less time with thousands of projects.
  JOIN (SELECT project_id, sum(packages) AS packages, sum(logical_bytes) AS logical_bytes
          FROM package_statistic WHERE project_id = ANY(:project_ids::bigint[]) GROUP BY project_id
         UNION ALL
        SELECT project_id, packages, logical_bytes FROM package_statistic_change) f ON f.project_id = w.id
 GROUP BY w.above_id;

-- name: newest_versions
-- The newest packages of the same name and type, and how many there are: at most as many as are counted.
WITH others AS (
    SELECT p.id, p.version, p.status, p.created_at FROM package p
     WHERE p.project_id = :project_id AND p.package_type = :package_type AND p.name = :name
       AND p.status IN statuses(DISPLAYABLE)
     LIMIT :counted
)
SELECT o.id, o.version, o.status, o.created_at, count(*) OVER () AS total
  FROM others o ORDER BY o.created_at DESC, o.id DESC LIMIT :limit;

-- name: find_people
SELECT id, username, name FROM directory_user WHERE id = ANY(:ids::bigint[]);

-- name: package_of_file
SELECT package_id FROM package_file WHERE id = :package_file_id;

-- name: packages_of_pipeline
-- The newest displayable packages that a pipeline of the project built there.
SELECT p.id, p.package_type, p.name, p.version, p.status, p.created_at, pipeline_entity(l) AS pipeline
  FROM pipeline l JOIN package_build b ON b.pipeline_id = l.id JOIN package p ON p.id = b.package_id
 WHERE l.id = :pipeline_id AND l.project_id = :project_id AND p.project_id = :project_id
   AND p.status IN statuses(DISPLAYABLE)
 ORDER BY p.created_at DESC, p.id DESC LIMIT :limit;

-- name: largest_projects
-- The projects with the most bytes in storage.
SELECT f.project_id, p.path, f.packages, f.logical_bytes, f.physical_bytes FROM (
    SELECT project_id, sum(packages)::bigint AS packages, sum(files)::bigint AS files,
           sum(logical_bytes)::bigint AS logical_bytes, sum(physical_bytes)::bigint AS physical_bytes
      FROM (SELECT project_id, packages, files, logical_bytes, physical_bytes
              FROM package_statistic WHERE project_id = ANY(:project_ids::bigint[])
             UNION ALL
            SELECT project_id, packages, files, logical_bytes, physical_bytes
              FROM package_statistic_change WHERE project_id = ANY(:project_ids::bigint[])) figures
     GROUP BY project_id) f
  JOIN project p ON p.id = f.project_id
 WHERE f.physical_bytes > 0
 ORDER BY f.physical_bytes DESC, p.path LIMIT :limit;

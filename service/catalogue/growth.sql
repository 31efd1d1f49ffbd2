-- The changes of figures by day.

-- name: changes_of_days
-- A row for each day since the first one of the instance that is recent enough. Changes that wait to be added are
-- today's.
WITH wanted AS (
    SELECT (now() AT TIME ZONE 'UTC')::date AS today,
           greatest((now() AT TIME ZONE 'UTC')::date - :days::int + 1, (SELECT min(day) FROM package_statistic_day))
               AS first
), changes AS (
    SELECT d.day, d.packages, d.logical_bytes, d.physical_bytes, d.freed_bytes
      FROM package_statistic_day d, wanted w
     WHERE d.project_id = ANY(:project_ids::bigint[]) AND d.day >= w.first
     UNION ALL
    SELECT w.today, c.packages, c.logical_bytes, c.physical_bytes, greatest(-c.physical_bytes, 0)
      FROM package_statistic_change c, wanted w WHERE c.project_id = ANY(:project_ids::bigint[])
)
SELECT s.day::date AS day, coalesce(sum(c.packages), 0)::bigint AS packages,
       coalesce(sum(c.logical_bytes), 0)::bigint AS logical_bytes,
       coalesce(sum(c.physical_bytes), 0)::bigint AS physical_bytes,
       coalesce(sum(c.freed_bytes), 0)::bigint AS freed_bytes
  FROM wanted w CROSS JOIN generate_series(w.first, w.today, interval '1 day') AS s (day)
  LEFT JOIN changes c ON c.day = s.day::date
 GROUP BY s.day ORDER BY s.day;

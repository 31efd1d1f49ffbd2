-- name: search_page
-- Composed: see search_pages.search_packages. `matches` counts the packages of the names that match, one more than are
-- shown as a total at most. Frequent matches are read in the order of the list until the page is full. Rare ones are all
-- read and sorted. Each way is taken where it reads fewer rows, if matches are spread evenly. `named` is read until
-- enough matches are counted.
WITH visit AS MATERIALIZED (
    {visit}
), named AS MATERIALIZED (
    SELECT n.project_id, n.package_type, n.name FROM visit v JOIN package_name n ON n.project_id = v.id WHERE {names}
), matches AS MATERIALIZED (
    SELECT count(*) AS total FROM (
        SELECT FROM named n CROSS JOIN LATERAL (
                SELECT FROM package p
                 WHERE p.project_id = n.project_id AND p.name = n.name AND p.package_type = n.package_type
                   AND {conditions} OFFSET 0) p
         LIMIT {count_limit}) counted
), way AS MATERIALIZED (
    SELECT m.total, m.total >= {count_limit} OR m.total * m.total > ({limit} + {offset}) * (
               SELECT sum(s.packages) FROM package_statistic s JOIN visit v ON v.id = s.project_id) AS is_frequent
      FROM matches m
), placed AS MATERIALIZED (
    SELECT p.id, row_number() OVER (ORDER BY p.key {direction}, p.id {direction}) AS place
      FROM (SELECT p.id, p.key
              FROM (SELECT p.id, p.key FROM way CROSS JOIN named n CROSS JOIN LATERAL (
                        SELECT p.id, {key} AS key FROM package p
                         WHERE p.project_id = n.project_id AND p.name = n.name AND p.package_type = n.package_type
                           AND {conditions} OFFSET 0) p
                     WHERE way.is_frequent IS NOT TRUE
                     UNION ALL
                    SELECT p.id, p.key FROM way CROSS JOIN LATERAL (
                        SELECT p.id, p.key FROM {in_order} WHERE way.is_frequent) p) p
             ORDER BY p.key {direction}, p.id {direction} LIMIT {limit} OFFSET {offset}) p
), page AS MATERIALIZED (
    SELECT p.*, placed.place FROM placed JOIN package p ON p.id = placed.id
)
SELECT written.size, written.body, written.last_id, written.last_value, way.total
  FROM way CROSS JOIN (
        SELECT count(*) AS size, string_agg({json}, ',' ORDER BY p.place) FILTER (WHERE p.place < {limit}) AS body,
               max(p.id) FILTER (WHERE p.place = {limit} - 1) AS last_id, {cursor} AS last_value
          FROM page p JOIN {shown} v ON v.id = p.project_id) written;

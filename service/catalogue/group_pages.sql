-- name: group_page
-- Composed: see group_pages.list_packages. A page beyond the end is empty, and still has the total.
WITH visit AS MATERIALIZED (
    {visit}
), placed AS MATERIALIZED (
    SELECT p.id, row_number() OVER (ORDER BY p.key {direction}, p.id {direction}) AS place
      FROM (SELECT p.id, p.key FROM {source}
             ORDER BY p.key {direction}, p.id {direction} LIMIT {limit} OFFSET {offset}) p
), page AS MATERIALIZED (
    SELECT p.*, placed.place FROM placed JOIN package p ON p.id = placed.id
)
SELECT found.size, found.body, found.last_id, found.last_value, {total} AS total
  FROM (SELECT count(*) AS size, string_agg({json}, ',' ORDER BY p.place) FILTER (WHERE p.place < {limit}) AS body,
               max(p.id) FILTER (WHERE p.place = {limit} - 1) AS last_id, {cursor} AS last_value
          FROM page p JOIN {shown} v ON v.id = p.project_id) found;

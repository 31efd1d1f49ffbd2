-- name: package_page
-- Composed: see package_pages.list_packages. One row: the visit, and the page as text. A page beyond the end is empty, and
-- still has the total. The visit limits what is read, so that nothing is read for a caller who is refused.
WITH visit AS MATERIALIZED (
    {visit}
), page AS MATERIALIZED (
    SELECT p.*, row_number() OVER (ORDER BY {order}) AS place
      FROM visit v CROSS JOIN LATERAL (
            SELECT p.* FROM package p WHERE p.project_id = v.id AND {conditions}
             ORDER BY {order} LIMIT {limit} OFFSET {offset}) p
     WHERE v.is_open
)
SELECT found.size, found.body, found.last_id, found.last_value, {total} AS total, v.*
  FROM visit v CROSS JOIN (
        SELECT count(*) AS size, string_agg({json}, ',' ORDER BY p.place) FILTER (WHERE p.place < {limit}) AS body,
               max(p.id) FILTER (WHERE p.place = {limit} - 1) AS last_id,
               {cursor} AS last_value
          FROM page p JOIN visit v ON v.id = p.project_id) found;

-- name: package_text
-- Composed: see package_pages.show_package. One row: the visit, and the package as text, null if there is none.
WITH visit AS MATERIALIZED (
    {visit}
)
SELECT (SELECT {json}
          FROM package p
         WHERE p.id = {package_id} AND p.project_id = v.id AND v.is_open
           AND p.status IN statuses(DISPLAYABLE)) AS body, v.*
  FROM visit v;

-- name: file_page
-- Composed: see package_pages.list_files. One row: the visit, whether there is the package, and the page as text.
WITH visit AS MATERIALIZED (
    {visit}
), shown AS MATERIALIZED (
    SELECT p.id FROM visit v JOIN package p ON p.id = {package_id} AND p.project_id = v.id
     WHERE v.is_open AND p.status IN statuses(DISPLAYABLE)
), page AS MATERIALIZED (
    SELECT f.*, row_number() OVER (ORDER BY {order}) AS place
      FROM shown CROSS JOIN LATERAL (
            SELECT f.* FROM package_file f
             WHERE f.package_id = shown.id AND f.status IN statuses(DISPLAYABLE_FILES)
             ORDER BY {order} LIMIT {limit} OFFSET {offset}) f
)
SELECT EXISTS (SELECT FROM shown) AS is_found, found.size, found.body, v.*,
       (SELECT count(*) FROM (
            SELECT FROM shown JOIN package_file f ON f.package_id = shown.id
             WHERE f.status IN statuses(DISPLAYABLE_FILES) LIMIT {count_limit}) counted) AS total
  FROM visit v CROSS JOIN (
        SELECT count(*) AS size, string_agg({json}, ',' ORDER BY f.place) FILTER (WHERE f.place < {limit}) AS body
          FROM page f) found;

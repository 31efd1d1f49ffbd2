-- name: npm_packument
-- Composed: see packument_text. One row: the metadata of a name, whose text is made only for a client that does not have
-- it. The newest of several packages with one version counts, with its newest tarball.
WITH visit AS MATERIALIZED (
    {visit}
), packages AS MATERIALIZED (
    SELECT p.id, p.project_id, p.version, p.version_key, p.created_at, p.updated_at
      FROM visit v JOIN package p ON p.project_id = ANY(v.ids)
     WHERE p.package_type = 'npm' AND p.name = {name} AND p.version IS NOT NULL AND p.status IN statuses(INSTALLABLE)
), named AS MATERIALIZED (
    SELECT p.*, f.id AS file_id, f.file_name, f.sha1, f.details
      FROM packages p JOIN package_file f ON f.package_id = p.id
     WHERE f.status IN statuses(INSTALLABLE_FILES) AND f.file_name LIKE '%.tgz'
     ORDER BY p.version_key DESC NULLS LAST, p.id DESC, f.id DESC LIMIT {limit}
), shown AS MATERIALIZED (
    SELECT n.*, row_number() OVER (ORDER BY n.version_key DESC NULLS LAST, n.id DESC) AS place
      FROM (SELECT DISTINCT ON (n.version) n.* FROM named n ORDER BY n.version, n.id DESC, n.file_id DESC) n
), tags AS MATERIALIZED (
    SELECT 'latest' AS name, s.version, 0 AS is_set
      FROM (SELECT s.version FROM shown s
             ORDER BY split_part(s.version, '+', 1) LIKE '%-%', s.place LIMIT 1) s
    UNION ALL
    SELECT * FROM (
        SELECT DISTINCT ON (g.name) g.name, n.version, 1
          FROM named n JOIN package_tag g ON g.package_id = n.id
         ORDER BY g.name, g.updated_at DESC, n.version_key DESC NULLS LAST, n.id DESC) g
), tagged AS MATERIALIZED (
    SELECT b.base, left(encode(sha256(convert_to(
               concat_ws(' ', 'v2', {form}, b.base, {name})
               || (SELECT string_agg(concat_ws(' ', s.id, s.file_id, s.updated_at,
                                               to_json(s.details ->> 'deprecation')), ',' ORDER BY s.place) FROM shown s)
               || (SELECT string_agg(concat_ws(' ', g.name, g.version), ',' ORDER BY g.is_set, g.name) FROM tags g),
               'UTF8')), 'hex'), 32) AS tag
      FROM (SELECT {base} AS base) b
)
SELECT t.tag, made.*
  FROM tagged t
  LEFT JOIN LATERAL (
        SELECT convert_to(string_agg({version}, ',' ORDER BY s.place), 'UTF8') AS versions,
               convert_to(string_agg({time}, ',' ORDER BY s.place DESC), 'UTF8') AS times,
               convert_to({created}, 'UTF8') AS created, convert_to({modified}, 'UTF8') AS modified,
               concat(count(*), '-', left(encode(sha256(convert_to(
                   string_agg(s.id::text, ',' ORDER BY s.id), 'UTF8')), 'hex'), 32)) AS revision,
               (SELECT convert_to(json_object_agg(g.name, g.version ORDER BY g.name)::text, 'UTF8')
                  FROM (SELECT DISTINCT ON (g.name) g.* FROM tags g ORDER BY g.name, g.is_set DESC) g) AS tags
          FROM shown s
         -- As the condition of the join, this would be tried only after the text was made.
         WHERE NOT ARRAY[t.tag, '*'] && {known}) made ON true;

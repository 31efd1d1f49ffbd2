-- name: pypi_index
-- Composed: see index_text. One row: the visit, and the newest files of one package, each project's packages in the
-- order of their ids. A file does not change while it is there, and each change of a package's shown files is counted in
-- its row. A restore may give a package another version. So the ids of the packages with their versions and counts are
-- the revision of the index. The files are read only for a client that has another revision. As the condition of a join,
-- this would be tried only after the text was made.
WITH visit AS MATERIALIZED (
    {visit}
), named AS MATERIALIZED (
    -- The packages of the name come first: without that, the server may read all files.
    SELECT p.id, p.version, p.file_changes
      FROM visit v JOIN package p ON p.project_id = ANY(v.ids)
     WHERE p.package_type = 'pypi' AND p.normal_name = {name} AND p.status IN statuses(INSTALLABLE)
), files AS MATERIALIZED (
    SELECT n.*
      FROM (SELECT p.id AS package_id, p.version, f.id, f.file_name, f.size, f.sha256, f.created_at, f.details
              FROM named p JOIN package_file f ON f.package_id = p.id
             WHERE f.status IN statuses(INSTALLABLE_FILES)
               -- The normal form costs ten times as much as the first comparison, which is enough for most names.
               AND (starts_with(lower(translate(f.file_name, '_.', '--')), {name} || '-')
                    OR starts_with(normal_name('pypi', f.file_name), {name} || '-'))
             ORDER BY f.id DESC LIMIT {limit}) n
     ORDER BY n.package_id, n.id
), tagged AS MATERIALIZED (
    SELECT b.base, left(encode(sha256(convert_to(
               concat_ws(' ', 'v3', {form}, b.base, {name}, '')
                   || (SELECT string_agg(concat_ws(' ', n.id, n.file_changes, to_json(n.version)), ' ' ORDER BY n.id)
                         FROM named n),
               'UTF8')), 'hex'), 32) AS tag
      FROM (SELECT {base} AS base FROM visit v) b
)
SELECT t.tag,
       CASE WHEN NOT t.tag = ANY({known})
            THEN (SELECT convert_to(string_agg({link}, {separator}), 'UTF8') FROM files f) END AS links,
       CASE WHEN NOT t.tag = ANY({known})
            THEN (SELECT convert_to(string_agg(o.version, ','), 'UTF8')
                    FROM (SELECT to_json(f.version)::text AS version FROM files f
                           WHERE f.version IS NOT NULL
                           GROUP BY f.version ORDER BY min(f.package_id)) o) END AS versions,
       v.*
  FROM visit v CROSS JOIN tagged t;

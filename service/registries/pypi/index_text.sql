-- name: pypi_index
-- Composed: see index_text. One row: the visit, and the newest files of one package, each project's packages in the
-- order of their ids. A file does not change while it is there. A restore may give its package another version. So the ids
-- of the files and the versions of their packages are the revision of the index.
-- The text is made only for a client that does not have it.
WITH visit AS MATERIALIZED (
    {visit}
), named AS MATERIALIZED (
    -- The packages of the name come first: without that, the server may read all files.
    SELECT p.id, p.version
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
               concat_ws(' ', 'v2', {form}, b.base, {name}, '')
                   || (SELECT string_agg(concat_ws(' ', f.id, to_json(f.version)), ' ') FROM files f),
               'UTF8')), 'hex'), 32) AS tag
      FROM (SELECT {base} AS base FROM visit v) b
)
SELECT t.tag, made.links, made.versions, v.*
  FROM visit v CROSS JOIN tagged t
  LEFT JOIN LATERAL (
        SELECT convert_to((SELECT string_agg({link}, {separator}) FROM files f), 'UTF8') AS links,
               convert_to((SELECT string_agg(o.version, ',')
                             FROM (SELECT to_json(f.version)::text AS version FROM files f
                                    WHERE f.version IS NOT NULL
                                    GROUP BY f.version ORDER BY min(f.package_id)) o), 'UTF8') AS versions
       ) made ON NOT ARRAY[t.tag, '*'] && {known};

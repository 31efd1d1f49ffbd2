-- The bodies of the API's answers, each from one statement. $1: the address of the API, which links name.

-- name: list
-- The first 20 packages of project 100 ($2: for a maintainer or not; $3: with their number or not).
SELECT jsonb_agg(body ORDER BY created_at, id)::text AS body, CASE WHEN $3::boolean THEN (
    SELECT count(*) FROM (
        SELECT FROM package WHERE project_id = 100 AND status IN ('default', 'error', 'deprecated')
           AND package_type <> 'terraform_module' AND version IS NOT NULL LIMIT 10001) counted) END AS total
  FROM (SELECT p.created_at, p.id, jsonb_build_object(
        'id', p.id, 'version', p.version, 'package_type', p.package_type, 'status', p.status,
        'name', CASE WHEN p.package_type = 'conan'
            THEN format('%s/%s@%s/%s', p.name, p.version, p.conan_username, p.conan_channel) ELSE p.name END,
        '_links', jsonb_build_object('web_path', format('/acme/open/-/packages/%s', p.id)) || CASE WHEN $2::boolean
            THEN jsonb_build_object('delete_api_path', format('%s/api/v4/projects/100/packages/%s', $1::text, p.id))
            ELSE '{}' END,
        'created_at', to_char(p.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'last_downloaded_at', to_char(p.last_downloaded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'creator_id', p.creator_id, 'tags', coalesce(t.tags, '[]'))
    || CASE WHEN p.package_type = 'conan' THEN jsonb_build_object('conan_package_name', p.name) ELSE '{}' END
    || CASE WHEN b.pipelines IS NULL THEN '{}'
            ELSE jsonb_build_object('pipeline', b.pipelines -> 0, 'pipelines', b.pipelines) END AS body
  FROM (SELECT * FROM package
         WHERE project_id = 100 AND status IN ('default', 'error', 'deprecated')
           AND package_type <> 'terraform_module' AND version IS NOT NULL
         ORDER BY created_at, id LIMIT 20) p
 CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('id', t.id, 'package_id', t.package_id, 'project_id', 100, 'name', t.name,
               'created_at', to_char(t.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'updated_at', to_char(t.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))) AS tags
      FROM package_tag t WHERE t.package_id = p.id) t
 CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('id', l.id, 'iid', l.iid, 'project_id', l.project_id, 'sha', l.sha,
               'ref', l.ref, 'status', l.status, 'source', l.source, 'web_url',
               format('%s/acme/open/-/pipelines/%s', $1::text, l.id),
               'created_at', to_char(l.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'updated_at', to_char(l.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'user', jsonb_build_object('id', u.id, 'username', u.username, 'name', u.name, 'state', u.state,
                   'locked', false, 'avatar_url', NULL, 'web_url', format('%s/%s', $1::text, u.username)))) AS pipelines
      FROM package_build b JOIN pipeline l ON l.id = b.pipeline_id JOIN directory_user u ON u.id = l.user_id
     WHERE b.package_id = p.id) b) page;

-- name: package
-- Package $2 of project 100, with its other versions, for a maintainer.
SELECT (jsonb_build_object(
        'id', p.id, 'version', p.version, 'package_type', p.package_type, 'status', p.status,
        'name', CASE WHEN p.package_type = 'conan'
            THEN format('%s/%s@%s/%s', p.name, p.version, p.conan_username, p.conan_channel) ELSE p.name END,
        '_links', jsonb_build_object('web_path', format('/acme/open/-/packages/%s', p.id),
            'delete_api_path', format('%s/api/v4/projects/100/packages/%s', $1::text, p.id)),
        'created_at', to_char(p.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'last_downloaded_at', to_char(p.last_downloaded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'creator_id', p.creator_id, 'tags', coalesce(t.tags, '[]'), 'versions', coalesce(o.versions, '[]'))
    || CASE WHEN p.package_type = 'conan' THEN jsonb_build_object('conan_package_name', p.name) ELSE '{}' END
    || CASE WHEN b.pipelines IS NULL THEN '{}'
            ELSE jsonb_build_object('pipeline', b.pipelines -> 0, 'pipelines', b.pipelines) END)::text AS body,
       NULL AS total
  FROM package p
 CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('id', t.id, 'package_id', t.package_id, 'project_id', 100, 'name', t.name,
               'created_at', to_char(t.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'updated_at', to_char(t.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))) AS tags
      FROM package_tag t WHERE t.package_id = p.id) t
 CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('id', l.id, 'iid', l.iid, 'project_id', l.project_id, 'sha', l.sha,
               'ref', l.ref, 'status', l.status, 'source', l.source, 'web_url',
               format('%s/acme/open/-/pipelines/%s', $1::text, l.id),
               'created_at', to_char(l.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'updated_at', to_char(l.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'user', jsonb_build_object('id', u.id, 'username', u.username, 'name', u.name, 'state', u.state,
                   'locked', false, 'avatar_url', NULL, 'web_url', format('%s/%s', $1::text, u.username)))) AS pipelines
      FROM package_build b JOIN pipeline l ON l.id = b.pipeline_id JOIN directory_user u ON u.id = l.user_id
     WHERE b.package_id = p.id) b
 CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('id', v.id, 'version', v.version,
               'created_at', to_char(v.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'tags', coalesce((
                   SELECT jsonb_agg(jsonb_build_object('id', t.id, 'package_id', t.package_id, 'project_id', 100,
                              'name', t.name,
                              'created_at', to_char(t.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                              'updated_at', to_char(t.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))
                     FROM package_tag t WHERE t.package_id = v.id), '[]'))
           || coalesce((
               SELECT jsonb_build_object('pipeline', jsonb_build_object('id', l.id, 'iid', l.iid,
                          'project_id', l.project_id, 'sha', l.sha, 'ref', l.ref, 'status', l.status,
                          'source', l.source, 'web_url', format('%s/acme/open/-/pipelines/%s', $1::text, l.id),
                          'created_at', to_char(l.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                          'updated_at', to_char(l.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                          'user', jsonb_build_object('id', u.id, 'username', u.username, 'name', u.name,
                              'state', u.state, 'locked', false, 'avatar_url', NULL,
                              'web_url', format('%s/%s', $1::text, u.username))))
                 FROM package_build b JOIN pipeline l ON l.id = b.pipeline_id JOIN directory_user u ON u.id = l.user_id
                WHERE b.package_id = v.id LIMIT 1), '{}') ORDER BY v.version, v.id) AS versions
      FROM package v
     WHERE v.project_id = 100 AND v.package_type = p.package_type AND v.name = p.name AND v.version <> p.version
       AND v.status IN ('default', 'error', 'deprecated')) o
 WHERE p.id = $2::bigint AND p.project_id = 100 AND p.status IN ('default', 'error', 'deprecated');

-- name: files
-- The files of package $2.
SELECT jsonb_agg(jsonb_build_object('id', f.id, 'package_id', f.package_id,
           'created_at', to_char(f.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
           'file_name', f.file_name, 'size', f.size, 'file_md5', encode(f.md5, 'hex'),
           'file_sha1', encode(f.sha1, 'hex'), 'file_sha256', encode(f.sha256, 'hex'))
       || CASE WHEN b.pipelines IS NULL THEN '{}' ELSE jsonb_build_object('pipelines', b.pipelines) END
       ORDER BY f.created_at, f.id)::text AS body, count(*) AS total
  FROM package_file f
 CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('id', l.id, 'iid', l.iid, 'project_id', l.project_id, 'sha', l.sha,
               'ref', l.ref, 'status', l.status, 'source', l.source, 'web_url',
               format('%s/acme/open/-/pipelines/%s', $1::text, l.id),
               'created_at', to_char(l.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'updated_at', to_char(l.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'user', jsonb_build_object('id', u.id, 'username', u.username, 'name', u.name, 'state', u.state,
                   'locked', false, 'avatar_url', NULL, 'web_url', format('%s/%s', $1::text, u.username)))) AS pipelines
      FROM package_file_build b JOIN pipeline l ON l.id = b.pipeline_id JOIN directory_user u ON u.id = l.user_id
     WHERE b.package_file_id = f.id) b
 WHERE f.package_id = $2::bigint AND f.status IN ('default', 'error');

-- name: token
-- The user of a credential.
SELECT u.id FROM access_token t JOIN directory_user u ON u.id = t.user_id
 WHERE t.digest = $1 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now()) AND u.state = 'active';

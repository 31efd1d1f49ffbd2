-- name: list_webhooks
SELECT webhook(w.*) FROM webhook w
 WHERE (w.project_id = :project_id::bigint OR w.group_id = :group_id::bigint) ORDER BY w.id LIMIT :limit OFFSET :offset;

-- name: count_webhooks
SELECT count(*) AS webhooks FROM webhook w WHERE w.project_id = :project_id::bigint OR w.group_id = :group_id::bigint;

-- name: find_webhook
SELECT webhook(w.*) FROM webhook w
 WHERE (w.project_id = :project_id::bigint OR w.group_id = :group_id::bigint) AND w.id = :id;

-- name: insert_webhook
-- It begins with the next event that is numbered.
INSERT INTO webhook AS w (project_id, group_id, name, description, url, package_events, types, content_mode, is_ordered,
                          verifies_tls, custom_header_names, position)
SELECT :project_id::bigint, :group_id::bigint, v.name, v.description, v.url, coalesce(v.package_events, true), v.types,
       coalesce(v.content_mode, 'structured'), coalesce(v.is_ordered, true), coalesce(v.verifies_tls, true),
       coalesce(v.custom_header_names, '{}'), i.sequence
  FROM instance i, jsonb_to_record(:values::jsonb) AS v (
       name text, description text, url text, package_events boolean, types text[], content_mode text,
       is_ordered boolean, verifies_tls boolean, custom_header_names text[])
RETURNING webhook(w.*);

-- name: update_webhook
-- Changes the columns whose keys are given.
UPDATE webhook w SET
       name = CASE WHEN :values::jsonb ? 'name' THEN v.name ELSE w.name END,
       description = CASE WHEN :values::jsonb ? 'description' THEN v.description ELSE w.description END,
       url = coalesce(v.url, w.url),
       package_events = coalesce(v.package_events, w.package_events),
       types = CASE WHEN :values::jsonb ? 'types' THEN v.types ELSE w.types END,
       content_mode = coalesce(v.content_mode, w.content_mode),
       is_ordered = coalesce(v.is_ordered, w.is_ordered),
       verifies_tls = coalesce(v.verifies_tls, w.verifies_tls),
       custom_header_names = coalesce(v.custom_header_names, w.custom_header_names)
  FROM jsonb_to_record(:values::jsonb) AS v (
       name text, description text, url text, package_events boolean, types text[], content_mode text,
       is_ordered boolean, verifies_tls boolean, custom_header_names text[])
 WHERE w.id = :id
RETURNING webhook(w.*);

-- name: delete_webhook!
DELETE FROM webhook WHERE id = :id;

-- name: instance_of_webhooks
SELECT id FROM instance;

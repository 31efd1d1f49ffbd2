-- The events of deletions are made where their rows are: the processes neither read those rows nor write their JSON.

-- The CloudEvent of a deletion without what the numbering adds; `schemas/messages/events.py` has the shape of its data.
-- moment: when it happened, as RFC 3339 has it. more: fields that only some events have; they win over those of all.
CREATE OR REPLACE FUNCTION deletion_event(
    d deletion, topic text, event_id uuid, moment text, files bigint, bytes bigint, more jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE RETURN jsonb_build_object(
    'specversion', '1.0', 'id', event_id, 'type', 'io.packyard.' || topic || '.v1',
    'subject', 'projects/' || d.project_id || '/packages/' || d.package_id, 'time', moment, 'recordedtime', moment,
    'datacontenttype', 'application/json', 'dataschema', 'urn:packyard:events:' || topic || ':v1',
    'partitionkey', d.project_id::text, 'correlationid', d.id, 'causationid', d.request_event_id,
    'authtype', CASE WHEN d.requested_by IS NULL THEN 'system' ELSE 'user' END,
    'authid', coalesce(d.requested_by::text, 'packyard'),
    'data', jsonb_build_object(
        'deletion_id', d.id, 'project_id', d.project_id, 'root_group_id', d.root_group_id,
        'package_id', d.package_id, 'package_type', d.package_type, 'package_name', d.package_name,
        'package_version', d.package_version, 'package_file_id', d.package_file_id, 'file_name', d.file_name,
        'cause', d.cause, 'reason', d.reason, 'actor_id', d.requested_by, 'files', files, 'bytes', bytes) || more);

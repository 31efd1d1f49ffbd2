-- name: feed_bounds
-- The numbers of the oldest event that the feed has, or will have, and of the newest one.
SELECT greatest(c.oldest, coalesce((SELECT min(first) FROM event_day), i.sequence + 1)) AS oldest, i.sequence AS newest
  FROM event_cursor c CROSS JOIN instance i;

-- name: places_in_feed
-- The numbers of the log have no gap, so a range of them limits how many rows are read. group_id: see read_feed.
SELECT DISTINCT project_id,
       CASE WHEN project_id IS NULL THEN (body::jsonb #>> '{data,group_id}')::bigint END AS group_id
  FROM event_log
 WHERE sequence > :after AND sequence <= :until
   AND day >= (SELECT coalesce(max(day), '-infinity') FROM event_day WHERE first <= :after::bigint + 1)
   AND (:types::text[] IS NULL OR type = ANY(:types))
   AND (:package_type::text IS NULL OR package_type = :package_type);

-- name: read_feed
-- Without a list of projects, all events are read, also those that are about no project. group_id: the group that the
-- event is about; the few that are about a group have no project.
SELECT sequence, type, package_type, project_id, body,
       CASE WHEN project_id IS NULL THEN (body::jsonb #>> '{data,group_id}')::bigint END AS group_id
  FROM event_log
 WHERE sequence > :after AND sequence <= :until
   AND day >= (SELECT coalesce(max(day), '-infinity') FROM event_day WHERE first <= :after::bigint + 1)
   AND (:types::text[] IS NULL OR type = ANY(:types))
   AND (:package_type::text IS NULL OR package_type = :package_type)
   AND (:project_ids::bigint[] IS NULL OR project_id = ANY(:project_ids)
        OR (project_id IS NULL AND (body::jsonb #>> '{data,group_id}')::bigint = ANY(:group_ids::bigint[])))
 ORDER BY sequence LIMIT :limit;

-- name: recorded_in_feed
SELECT recorded_at
  FROM event_log
 WHERE sequence = :sequence
   AND day >= (SELECT coalesce(max(day), '-infinity') FROM event_day WHERE first <= :sequence::bigint);

-- name: read_feed_back
-- As read_feed, with the newest first.
SELECT sequence, type, package_type, project_id, body,
       CASE WHEN project_id IS NULL THEN (body::jsonb #>> '{data,group_id}')::bigint END AS group_id
  FROM event_log
 WHERE sequence > :after AND sequence <= :until
   AND day >= (SELECT coalesce(max(day), '-infinity') FROM event_day WHERE first <= :after::bigint + 1)
   AND (:types::text[] IS NULL OR type = ANY(:types))
   AND (:package_type::text IS NULL OR package_type = :package_type)
   AND (:since::timestamptz IS NULL OR recorded_at >= :since)
   AND (:project_ids::bigint[] IS NULL OR project_id = ANY(:project_ids)
        OR (project_id IS NULL AND (body::jsonb #>> '{data,group_id}')::bigint = ANY(:group_ids::bigint[])))
 ORDER BY sequence DESC LIMIT :limit;

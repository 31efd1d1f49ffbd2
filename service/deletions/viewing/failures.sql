-- Failed deletions, together by the kind of their error: the text before the first colon.

-- name: group_failures
SELECT coalesce(split_part(d.last_error, ':', 1), '') AS kind, count(*) AS deletions
  FROM (SELECT last_error FROM deletion
         WHERE state IN statuses(FAILED) AND project_id = ANY(:project_ids::bigint[])
           AND (:batch_id::uuid IS NULL OR batch_id = :batch_id)
         LIMIT :counted) d
 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :limit;

-- name: failed_deletions
SELECT id, project_id FROM deletion
 WHERE state IN statuses(FAILED) AND project_id = ANY(:project_ids::bigint[])
   AND (:batch_id::uuid IS NULL OR batch_id = :batch_id)
   AND (:kind::text IS NULL OR coalesce(split_part(last_error, ':', 1), '') = :kind)
 ORDER BY id LIMIT :limit;

-- Counts and beginnings of deletions that pages show beside the deletions themselves.

-- name: count_deletion_states
-- Counts each state up to a limit; an index holds all that has not succeeded.
SELECT s.state, c.deletions
  FROM unnest(:states::text[]) AS s (state) CROSS JOIN LATERAL (
    SELECT count(*) AS deletions FROM (
        SELECT FROM deletion d
         WHERE d.state = s.state AND (:project_ids::bigint[] IS NULL OR d.project_id = ANY(:project_ids::bigint[]))
         LIMIT :counted) counted) c;

-- name: deletion_under_way
-- The deletion of the whole package that has not ended.
SELECT id FROM deletion
 WHERE package_id = :package_id AND project_id = :project_id AND package_file_id IS NULL AND finished_at IS NULL;

-- name: file_deletion_under_way
SELECT id FROM deletion
 WHERE package_file_id = :package_file_id AND project_id = :project_id AND finished_at IS NULL;

-- name: range_of_graces
SELECT min(g.grace) AS least, max(g.grace) AS most
  FROM unnest(:project_ids::bigint[], :package_types::text[]) AS k (project_id, package_type)
 CROSS JOIN LATERAL (SELECT grace_of(k.project_id, k.package_type, :grace::interval) AS grace) g;

-- name: grace_of_package_type
SELECT grace_of(:project_id::bigint, :package_type::text, :grace::interval) AS grace;

-- name: least_level_to_delete
-- Returns the level that all protection rules of the package ask for; NULL if no rule names it.
SELECT max(r.minimum_access_level_for_delete) AS level
  FROM package p JOIN protection_rule r ON r.project_id = p.project_id AND r.package_type = p.package_type
   AND name_matches(p.name, r.package_name_pattern)
 WHERE p.id = :package_id;

-- name: waiting_bytes
SELECT s.state, count(*) AS deletions, coalesce(sum(w.bytes), 0)::bigint AS bytes
  FROM unnest(:states::text[]) AS s (state) CROSS JOIN LATERAL (
    SELECT d.bytes_total - d.bytes_done AS bytes FROM deletion d
     WHERE d.state = s.state AND d.project_id = ANY(:project_ids::bigint[])
     LIMIT :counted) w
 GROUP BY s.state;

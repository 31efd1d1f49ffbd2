-- name: deletion_figures
-- Reads at most a limit of unfinished deletions, in the order of wake_at, along that index.
WITH unfinished AS MATERIALIZED (
    SELECT state, lane, held, CASE WHEN state IN statuses(CLAIMED) THEN lease_until ELSE not_before END AS due_at
      FROM deletion WHERE finished_at IS NULL ORDER BY wake_at LIMIT :limit
)
SELECT state, lane, count(*) AS deletions, count(*) FILTER (WHERE held) AS held,
       count(*) FILTER (WHERE NOT held AND due_at <= now()) AS due,
       (extract(epoch FROM now() - min(due_at) FILTER (WHERE NOT held AND due_at <= now())))::float8 AS oldest_due
  FROM unfinished GROUP BY state, lane;

-- name: outbox_figures
SELECT k.kind,
       (SELECT count(*) FROM (SELECT FROM outbox o WHERE o.published_at IS NULL AND o.kind = k.kind LIMIT :limit) u)
           AS unpublished,
       (SELECT extract(epoch FROM now() - o.recorded_at)::float8 FROM outbox o
         WHERE o.published_at IS NULL AND o.kind = k.kind ORDER BY o.position LIMIT 1) AS lag
  FROM unnest(:kinds::text[]) AS k (kind);

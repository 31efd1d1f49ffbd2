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

-- name: webhook_figures
-- The index of what is due leaves out webhooks that have nothing to do.
SELECT (SELECT count(*) FROM (SELECT FROM webhook WHERE deliver_at <= now() LIMIT :limit) d) AS due,
       (SELECT count(*) FROM webhook WHERE failing_since IS NOT NULL AND disabled_at IS NULL) AS failing,
       (SELECT count(*) FROM webhook WHERE disabled_at IS NOT NULL) AS disabled,
       (SELECT extract(epoch FROM now() - min(deliver_at))::float8 FROM webhook
         WHERE deliver_at <= now() AND (lease_until IS NULL OR lease_until < now())) AS oldest_due;

-- name: outbox_figures
-- A command waits in the outbox. An event waits there until it is numbered, then in the log, and if it was refused, in
-- a row of its own.
WITH waiting AS (
    SELECT k.kind,
           (SELECT count(*) FROM (SELECT FROM outbox o WHERE o.published_at IS NULL AND o.kind = k.kind LIMIT :limit) u)
               AS messages,
           (SELECT o.recorded_at FROM outbox o
             WHERE o.published_at IS NULL AND o.kind = k.kind ORDER BY o.position LIMIT 1) AS since
      FROM unnest(:kinds::text[]) AS k (kind)
    UNION ALL
    SELECT 'event',
           (SELECT count(*) FROM (SELECT FROM event_log l WHERE l.sequence > c.published LIMIT :limit) u),
           (SELECT l.recorded_at FROM event_log l WHERE l.sequence > c.published ORDER BY l.sequence LIMIT 1)
      FROM event_cursor c
    UNION ALL
    SELECT 'event', (SELECT count(*) FROM (SELECT FROM event_refused LIMIT :limit) u),
           (SELECT r.recorded_at FROM event_refused r ORDER BY r.sequence LIMIT 1)
)
SELECT kind, sum(messages)::bigint AS unpublished, extract(epoch FROM now() - min(since))::float8 AS lag
  FROM waiting GROUP BY kind;

-- name: quota_figures
SELECT count(*) FILTER (WHERE level >= 80) AS near, count(*) FILTER (WHERE level >= 100) AS reached FROM storage_quota;

-- name: retention_figures
SELECT state, count(*) AS runs, extract(epoch FROM now() - min(requested_at))::float8 AS oldest
  FROM retention_run WHERE finished_at IS NULL GROUP BY state;

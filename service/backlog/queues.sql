-- The report of the active relay about the queues.

-- name: note_queue_report!
UPDATE queue_report SET reported_at = now(), queues = :queues::jsonb;

-- name: queue_report
SELECT reported_at, extract(epoch FROM now() - reported_at)::float8 AS age_s, queues FROM queue_report;

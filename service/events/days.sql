-- name: make_days
SELECT make_event_days(:ahead::int);

-- name: drop_days
SELECT drop_event_days(before) AS dropped
  FROM (SELECT ((now() - :retention::interval) AT TIME ZONE 'UTC')::date AS before) AS b
 WHERE EXISTS (SELECT FROM event_day WHERE day < before);

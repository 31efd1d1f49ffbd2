-- name: ping$
-- Tells that the database answers.
SELECT 1;

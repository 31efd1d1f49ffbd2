-- name: wake_deletions
-- Sends again for deletions that should have moved on by now, each time after a longer pause. A deletion under a hold
-- is only read again, in case the end of the hold went unnoticed.
WITH due AS (
    SELECT id, deletion_hold_on(project_id) IS NOT NULL AS is_held
      FROM deletion WHERE finished_at IS NULL AND wake_at <= now()
     ORDER BY wake_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE deletion d
   SET held = due.is_held,
       wakes = CASE WHEN due.is_held THEN 0 ELSE d.wakes + 1 END,
       wake_at = now() + CASE WHEN due.is_held THEN interval '10 minutes' ELSE least(
           :resend::interval * power(2, least(d.wakes, 10)), greatest(:resend::interval, interval '1 hour')) END
  FROM due WHERE d.id = due.id
RETURNING d.id, d.lane, d.held AS is_on_hold, d.attempts > 0 AS was_attempted;

-- name: neglected_deletions
-- First come claims that lapsed, since their commands may wait behind many others. Then come deletions that were sent
-- for twice without a result, since the queue between the scheduler and the workers is broken. Deletions under a hold
-- are left out: they would be found again and again, in place of others.
(SELECT id FROM deletion
  WHERE state IN statuses(CLAIMED) AND lease_until < now() AND lane = ANY(:lanes::text[])
    AND deletion_hold_on(project_id) IS NULL
  ORDER BY lease_until LIMIT :limit)
UNION ALL
(SELECT id FROM deletion
  WHERE finished_at IS NULL AND wakes >= 2 AND lane = ANY(:lanes::text[]) AND not_before <= now()
    AND state NOT IN statuses(CLAIMED) AND deletion_hold_on(project_id) IS NULL
  ORDER BY not_before LIMIT :limit)
LIMIT :limit;

-- name: prune_deletions!
-- A failed deletion stays as long as its package or file: it can be tried again, and later uploads stay apart.
DELETE FROM deletion WHERE id = ANY(ARRAY(
    SELECT d.id FROM deletion d
     WHERE d.finished_at < now() - :older_than::interval
       AND (d.state NOT IN statuses(FAILED) OR NOT EXISTS (SELECT FROM package p WHERE p.id = d.package_id))
     LIMIT :limit FOR UPDATE SKIP LOCKED));

-- name: note_retention_plan
UPDATE retention_run
   SET planned_at = now(), state = :state, packages = :packages, files = :files, bytes = :bytes,
       verdicts = :totals::jsonb, attempts = 0, error = NULL,
       lapses_at = CASE WHEN :state::text = 'awaiting_approval' THEN now() + :patience::interval END,
       finished_at = CASE WHEN :state::text = 'finished' THEN now() END
 WHERE id = :id
RETURNING retention_run(retention_run.*);

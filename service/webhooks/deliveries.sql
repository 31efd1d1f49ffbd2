-- name: list_deliveries
SELECT webhook_delivery(d.*) FROM webhook_delivery d
 WHERE d.webhook_id = :webhook_id AND (:state::text IS NULL OR d.state = :state) ORDER BY d.id DESC LIMIT :limit OFFSET :offset;

-- name: count_deliveries
SELECT count(*) AS deliveries FROM (
    SELECT FROM webhook_delivery d WHERE d.webhook_id = :webhook_id AND (:state::text IS NULL OR d.state = :state) LIMIT :most) found;

-- name: find_delivery
SELECT webhook_delivery(d.*) FROM webhook_delivery d WHERE d.webhook_id = :webhook_id AND d.id = :id;

-- name: ask_for_delivery
WITH due AS (
    UPDATE webhook SET deliver_at = least(deliver_at, now()) WHERE id = :webhook_id
)
INSERT INTO webhook_delivery AS d (webhook_id, kind, event_id, type, sequence, body)
VALUES (:webhook_id, :kind, :event_id, :type, :sequence, :body)
RETURNING webhook_delivery(d.*);

-- name: due_deliveries
-- A failed event behind the position holds its webhook back, and is sent in its turn.
SELECT webhook_delivery(d.*)
  FROM webhook_delivery d JOIN webhook w ON w.id = d.webhook_id
 WHERE d.webhook_id = :webhook_id AND d.state = 'waiting'
   AND (d.kind <> 'event' OR (w.disabled_at IS NULL AND d.sequence <= w.position)) AND d.not_before <= now()
 ORDER BY d.kind = 'event', d.not_before, d.id LIMIT :limit;

-- name: logged_body
SELECT body FROM event_log
 WHERE sequence = :sequence
   AND day >= (SELECT coalesce(max(day), '-infinity') FROM event_day WHERE first <= :sequence::bigint);

-- name: note_failed_event
INSERT INTO webhook_delivery AS d (webhook_id, kind, event_id, type, sequence, attempts, first_attempt_at,
                                   last_attempt_at, request_headers, response_status, response_headers, response_body,
                                   duration_s, error)
SELECT :webhook_id, 'event', :event_id, :type, :sequence, 1, now(), now(), a.request_headers, a.response_status,
       a.response_headers, a.response_body, a.duration_s, a.error
  FROM jsonb_to_record(:attempt::jsonb) AS a (request_headers jsonb, response_status integer, response_headers jsonb,
       response_body text, duration_s real, error text)
    ON CONFLICT (webhook_id, sequence) WHERE kind = 'event' AND state = 'waiting' DO UPDATE
       SET attempts = d.attempts + 1, last_attempt_at = now(), request_headers = excluded.request_headers,
           response_status = excluded.response_status, response_headers = excluded.response_headers,
           response_body = excluded.response_body, duration_s = excluded.duration_s, error = excluded.error
RETURNING webhook_delivery(d.*);

-- name: put_off_delivery!
UPDATE webhook_delivery SET not_before = now() + :pause::interval WHERE id = :id;

-- name: note_attempt!
UPDATE webhook_delivery
   SET attempts = attempts + 1, state = :state, first_attempt_at = coalesce(first_attempt_at, now()),
       last_attempt_at = now(), ended_at = CASE WHEN :state = 'waiting' THEN NULL ELSE now() END,
       request_headers = a.request_headers, response_status = a.response_status, response_headers = a.response_headers,
       response_body = a.response_body, duration_s = a.duration_s, error = a.error
  FROM jsonb_to_record(:attempt::jsonb) AS a (request_headers jsonb, response_status integer, response_headers jsonb,
       response_body text, duration_s real, error text)
 WHERE id = :id;

-- name: end_delivery!
UPDATE webhook_delivery SET ended_at = now(), state = :state, error = coalesce(:error::text, error)
 WHERE id = :id AND state = 'waiting';

-- name: prune_deliveries!
DELETE FROM webhook_delivery WHERE id = ANY(ARRAY(
    SELECT id FROM webhook_delivery WHERE ended_at < now() - :older_than::interval LIMIT :limit));

-- name: note_event_delivered!
-- The row of an event that failed before.
UPDATE webhook_delivery
   SET state = 'delivered', attempts = attempts + 1, last_attempt_at = now(), ended_at = now(),
       response_status = a.response_status, response_headers = a.response_headers, response_body = a.response_body,
       duration_s = a.duration_s, error = NULL
  FROM jsonb_to_record(:attempt::jsonb) AS a (request_headers jsonb, response_status integer, response_headers jsonb,
       response_body text, duration_s real, error text)
 WHERE webhook_id = :webhook_id AND sequence = :sequence AND kind = 'event' AND state = 'waiting';

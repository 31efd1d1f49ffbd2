-- name: insert_webhook_secrets!
INSERT INTO webhook_secret (webhook_id, signing_token, token, custom_headers)
VALUES (:webhook_id, :signing_token, :token, :custom_headers);

-- name: change_webhook_secrets!
UPDATE webhook_secret SET
       previous_signing_token = CASE WHEN :signing_token::text IS NULL THEN previous_signing_token ELSE signing_token END,
       previous_until = CASE WHEN :signing_token::text IS NULL THEN previous_until ELSE now() + interval '1 day' END,
       signing_token = coalesce(:signing_token::text, signing_token),
       token = CASE WHEN :sets_token::boolean THEN :token::text ELSE token END,
       custom_headers = CASE WHEN :sets_headers::boolean THEN :custom_headers::text ELSE custom_headers END
 WHERE webhook_id = :webhook_id;

-- name: webhook_secrets
SELECT signing_token, CASE WHEN previous_until > now() THEN previous_signing_token END AS previous_signing_token,
       token, custom_headers
  FROM webhook_secret WHERE webhook_id = :webhook_id;

-- name: webhooks_with_token
SELECT webhook_id FROM webhook_secret WHERE webhook_id = ANY(:ids::bigint[]) AND token IS NOT NULL;

-- name: secrets_to_renew
SELECT webhook_id, signing_token, previous_signing_token, token, custom_headers
  FROM webhook_secret WHERE webhook_id > :after ORDER BY webhook_id LIMIT :limit;

-- name: renew_secrets!
-- Only where they are still those that were read.
UPDATE webhook_secret SET signing_token = :signing_token, previous_signing_token = :previous_signing_token,
       token = :token, custom_headers = :custom_headers
 WHERE webhook_id = :webhook_id AND signing_token = :read_signing_token
   AND previous_signing_token IS NOT DISTINCT FROM :read_previous::text
   AND token IS NOT DISTINCT FROM :read_token::text AND custom_headers IS NOT DISTINCT FROM :read_headers::text;

-- name: ping
-- Shows that the database answers, and whether it takes no writes.
SELECT current_setting('transaction_read_only')::boolean AS is_read_only;

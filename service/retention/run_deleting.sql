-- name: keep_retention_rule
-- Nobody pauses, changes or removes the rule until the transaction ends.
SELECT r.paused_at IS NOT NULL AS is_paused FROM retention_rule r WHERE r.id = :id FOR SHARE;

-- name: open_policy_deletions
-- How many deletions of rules no worker has seen yet, up to a limit.
SELECT count(*) AS open FROM (
    SELECT FROM deletion WHERE cause = 'policy' AND state IN statuses(QUEUED) LIMIT :limit) queued;

-- name: next_retention_items
SELECT i.package_id, i.files, i.bytes FROM retention_item i
 WHERE i.run_id = :run_id AND i.outcome = 'planned' ORDER BY i.package_id LIMIT :limit;

-- name: lock_retention_packages
SELECT p.id, p.status FROM package p
 WHERE p.id = ANY(:package_ids::bigint[]) AND p.status IN statuses(DISPLAYABLE) ORDER BY p.id FOR UPDATE;

-- name: note_retention_items!
UPDATE retention_item i SET (outcome, reason, rule_id, rule) = (o.outcome, o.reason, o.rule_id, o.rule)
  FROM unnest(:package_ids::bigint[], :outcomes::text[], :reasons::text[], :rule_ids::bigint[], :rules::text[])
    AS o (package_id, outcome, reason, rule_id, rule)
 WHERE i.run_id = :run_id AND i.package_id = o.package_id;

-- Objects that a check of the storage takes aside.

-- name: lock_keys
-- An upload may be about to write a file row for one of them. It has either done so when this is answered, or will find
-- the object taken aside.
SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) FROM unnest(:keys::text[]) AS k (key) ORDER BY hashtextextended(key, 0);

-- name: note_quarantined
INSERT INTO quarantined_object (storage_key, size)
SELECT key, size FROM unnest(:keys::text[], :sizes::bigint[]) AS k (key, size)
 WHERE NOT EXISTS (SELECT FROM package_file f WHERE f.storage_key = k.key)
    ON CONFLICT (storage_key) DO UPDATE SET moved_at = NULL
RETURNING storage_key;

-- name: adopt_quarantined!
INSERT INTO quarantined_object (storage_key, size, moved_at)
SELECT key, size, now() FROM unnest(:keys::text[], :sizes::bigint[]) AS k (key, size) ON CONFLICT DO NOTHING;

-- name: note_moved!
UPDATE quarantined_object SET moved_at = now() WHERE storage_key = ANY(:keys::text[]);

-- name: delete_quarantined!
DELETE FROM quarantined_object WHERE storage_key = ANY(:keys::text[]);

-- name: half_quarantined
-- Finds objects that were noted, but not moved by the process that noted them.
SELECT q.storage_key AS key, q.size FROM quarantined_object q
 WHERE q.moved_at IS NULL AND q.storage_key > :position
   AND NOT EXISTS (SELECT FROM package_file f WHERE f.storage_key = q.storage_key)
 ORDER BY q.storage_key LIMIT :limit;

-- name: quarantined_long_ago
-- Leaves out objects to which a file refers, as after a return to an older state of the database. Those are to be put
-- back.
SELECT q.storage_key AS key, q.size FROM quarantined_object q
 WHERE q.moved_at < now() - :retention::interval AND q.storage_key > :position
   AND NOT EXISTS (SELECT FROM package_file f WHERE f.storage_key = q.storage_key)
 ORDER BY q.storage_key LIMIT :limit;

-- name: find_quarantined
SELECT storage_key FROM quarantined_object WHERE storage_key = ANY(:keys::text[]);

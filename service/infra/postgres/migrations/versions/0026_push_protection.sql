-- A protection rule may say who publishes, who deletes, or both.

-- step: the least level to publish
-- A rule without a level to delete protects nothing in the release before.
ALTER TABLE protection_rule
    ADD COLUMN IF NOT EXISTS minimum_access_level_for_push smallint
        CHECK (minimum_access_level_for_push IN (40, 50, 60))
        CHECK (num_nonnulls(minimum_access_level_for_push, minimum_access_level_for_delete) > 0),
    ADD COLUMN IF NOT EXISTS updated_at timestamptz NOT NULL DEFAULT now(),
    ALTER COLUMN minimum_access_level_for_delete DROP NOT NULL;

-- A group may forbid that a file of a Maven package is published twice, as it may for generic packages.

-- step: the columns
-- Null: as the group around it says.
ALTER TABLE directory_group ADD COLUMN IF NOT EXISTS maven_duplicates_allowed boolean;
ALTER TABLE directory_group ADD COLUMN IF NOT EXISTS maven_duplicate_exception_regex text;

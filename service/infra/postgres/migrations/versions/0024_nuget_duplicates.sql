-- Whether a NuGet version may be pushed again, as for generic packages.

-- step: the columns
ALTER TABLE directory_group
    ADD COLUMN IF NOT EXISTS nuget_duplicates_allowed boolean,
    ADD COLUMN IF NOT EXISTS nuget_duplicate_exception_regex text;

-- The projects of a group, with the columns by which a list decides whether its caller may read them.

-- step: what an attempt that failed may have left
DROP INDEX CONCURRENTLY IF EXISTS project_in_group;

-- step: by group
CREATE INDEX CONCURRENTLY project_in_group ON project (group_id) INCLUDE (id, visibility, packages_enabled);

-- step: the one before
DROP INDEX CONCURRENTLY IF EXISTS project_group;

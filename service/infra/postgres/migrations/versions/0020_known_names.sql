-- A read for an unknown name may be sent to a public registry, but never for a name that some project has or had.

-- step: what an attempt that failed may have left
DROP INDEX CONCURRENTLY IF EXISTS package_name_known;

-- step: names of a type, without regard to case
CREATE INDEX CONCURRENTLY package_name_known ON package_name (package_type, lower(normal_name));

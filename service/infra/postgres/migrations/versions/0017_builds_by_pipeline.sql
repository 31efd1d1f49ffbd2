-- Pages show the packages that a pipeline built.

-- step: an index of builds by pipeline that an earlier try left broken
DROP INDEX CONCURRENTLY IF EXISTS package_build_pipeline;

-- step: builds by pipeline
CREATE INDEX CONCURRENTLY package_build_pipeline ON package_build (pipeline_id);

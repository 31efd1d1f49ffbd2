-- Old paths of projects, what groups say of duplicates, and whose jobs may come in.

-- A path under which a project was known: a reader is led on to the project's number. A new project may take the path.
CREATE TABLE project_alias (
    path text NOT NULL,
    project_id bigint NOT NULL REFERENCES project (id),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX project_alias_path ON project_alias (lower(path));
CREATE INDEX project_alias_project ON project_alias (project_id);

-- Null: as the group around it says.
ALTER TABLE directory_group
    ADD COLUMN generic_duplicates_allowed boolean,
    ADD COLUMN generic_duplicate_exception_regex text;

-- Projects whose CI jobs may reach this one with their tokens, besides its own.
CREATE TABLE job_token_allowance (
    project_id bigint NOT NULL REFERENCES project (id),
    source_project_id bigint NOT NULL REFERENCES project (id),
    PRIMARY KEY (project_id, source_project_id)
);

"""HTTP bodies that show projects and groups, as GitLab's clients read them.

Some things do not exist here (repositories, issues, CI). Their keys have the values that GitLab returns where they are
switched off.
"""

from typing import Literal

from pydantic import ConfigDict, Field

from schemas.http.resources import Resource, Timestamp
from schemas.names import AccessLevel, Visibility


class DirectoryResource(Resource):
    """A body that shows the directory."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Namespace(DirectoryResource):
    """The group that a project is in."""

    id: int
    name: str
    path: str
    kind: Literal["group"]
    full_path: str
    parent_id: int | None
    avatar_url: None
    web_url: str


class BasicProject(DirectoryResource):
    """A project as `simple=true` shows it, and as the anonymous see it."""

    id: int
    description: str | None
    name: str
    name_with_namespace: str
    path: str
    path_with_namespace: str
    created_at: Timestamp
    default_branch: str
    tag_list: list[str]
    topics: list[str]
    ssh_url_to_repo: str
    http_url_to_repo: str
    web_url: str
    readme_url: str | None
    avatar_url: None
    forks_count: int
    star_count: int
    last_activity_at: Timestamp
    namespace: Namespace


class ProjectLinks(DirectoryResource):
    """Where GitLab has more of a project; only `self` leads somewhere here."""

    self_: str = Field(alias="self")
    repo_branches: str
    labels: str
    events: str
    members: str


class Membership(DirectoryResource):
    """A role of the caller."""

    access_level: AccessLevel
    notification_level: int


class Permissions(DirectoryResource):
    """The caller's roles in a project."""

    project_access: Membership | None
    """As a member of the project itself."""
    group_access: Membership | None
    """As a member of the groups around it; the highest."""


class ProjectResource(BasicProject):
    """A project with all its keys."""

    links: ProjectLinks = Field(alias="_links")
    packages_enabled: bool
    empty_repo: bool
    archived: bool
    visibility: Visibility
    resolve_outdated_diff_discussions: bool
    issues_enabled: bool
    merge_requests_enabled: bool
    wiki_enabled: bool
    jobs_enabled: bool
    snippets_enabled: bool
    container_registry_enabled: bool
    service_desk_enabled: bool
    service_desk_address: str | None
    can_create_merge_request_in: bool
    issues_access_level: str
    repository_access_level: str
    merge_requests_access_level: str
    forking_access_level: str
    wiki_access_level: str
    builds_access_level: str
    snippets_access_level: str
    pages_access_level: str
    operations_access_level: str
    analytics_access_level: str
    container_registry_access_level: str
    security_and_compliance_access_level: str
    package_registry_access_level: str
    emails_disabled: bool | None
    shared_runners_enabled: bool
    lfs_enabled: bool
    creator_id: int | None
    import_status: str
    open_issues_count: int
    ci_default_git_depth: int | None
    ci_forward_deployment_enabled: bool
    ci_job_token_scope_enabled: bool
    public_jobs: bool
    build_timeout: int
    auto_cancel_pending_pipelines: str
    build_coverage_regex: str | None
    ci_config_path: str | None
    shared_with_groups: list[str]
    only_allow_merge_if_pipeline_succeeds: bool
    allow_merge_on_skipped_pipeline: bool | None
    restrict_user_defined_variables: bool
    request_access_enabled: bool
    only_allow_merge_if_all_discussions_are_resolved: bool
    remove_source_branch_after_merge: bool
    printing_merge_request_link_enabled: bool
    merge_method: str
    squash_option: str
    auto_devops_enabled: bool
    auto_devops_deploy_strategy: str
    autoclose_referenced_issues: bool
    keep_latest_artifact: bool
    permissions: Permissions = Field(default=None, validate_default=False)  # type: ignore[assignment]  # absent, not null
    """Absent in the listings of a group."""


class GroupResource(DirectoryResource):
    """A group."""

    id: int
    web_url: str
    name: str
    path: str
    description: str
    visibility: Visibility
    share_with_group_lock: bool
    require_two_factor_authentication: bool
    two_factor_grace_period: int
    project_creation_level: str
    auto_devops_enabled: bool | None
    subgroup_creation_level: str
    emails_disabled: bool | None
    mentions_disabled: bool | None
    lfs_enabled: bool
    default_branch_protection: int
    avatar_url: None
    request_access_enabled: bool
    full_name: str
    full_path: str
    created_at: Timestamp
    parent_id: int | None


class GroupWithProjects(GroupResource):
    """A group by itself."""

    shared_with_groups: list[str]
    projects: list[ProjectResource]
    shared_projects: list[ProjectResource]

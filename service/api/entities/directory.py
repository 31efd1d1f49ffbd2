"""From rows of the directory to resources: the one place where they meet."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from yarl import URL

from schemas.http.directory_resources import (
    BasicProject,
    CurrentToken,
    CurrentUser,
    Group,
    GroupWithProjects,
    Membership,
    Namespace,
    Permissions,
    Project,
    ProjectLinks,
)
from service.infra.postgres.database import Record

_BRANCH: Final = "main"
_NAME_SEPARATOR: Final = " / "
_DEFAULT_NOTIFICATIONS: Final = 3
"""GitLab's number for: as in the user's own settings."""

# GitLab's values for features that are off or empty, and for settings that nobody changed.
_USER: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "locked": False,
        "avatar_url": None,
        "bio": "",
        "location": None,
        "public_email": None,
        "skype": "",
        "linkedin": "",
        "twitter": "",
        "website_url": "",
        "organization": None,
        "job_title": "",
        "pronouns": None,
        "bot": False,
        "work_information": None,
        "followers": 0,
        "following": 0,
        "last_sign_in_at": None,
        "last_activity_on": None,
        "theme_id": 1,
        "color_scheme_id": 1,
        "projects_limit": 0,
        "current_sign_in_at": None,
        "identities": [],
        "can_create_group": False,
        "can_create_project": False,
        "two_factor_enabled": False,
        "private_profile": False,
    }
)
_BASIC_PROJECT: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "description": None,
        "default_branch": _BRANCH,
        "tag_list": [],
        "topics": [],
        "readme_url": None,
        "avatar_url": None,
        "forks_count": 0,
        "star_count": 0,
    }
)
_OFF: Final = "disabled"
_PROJECT: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "empty_repo": True,
        "archived": False,
        "resolve_outdated_diff_discussions": False,
        "issues_enabled": False,
        "merge_requests_enabled": False,
        "wiki_enabled": False,
        "jobs_enabled": False,
        "snippets_enabled": False,
        "container_registry_enabled": False,
        "service_desk_enabled": False,
        "service_desk_address": None,
        "can_create_merge_request_in": False,
        "issues_access_level": _OFF,
        # Off, it would take the packages with it.
        "repository_access_level": "enabled",
        "merge_requests_access_level": _OFF,
        "forking_access_level": _OFF,
        "wiki_access_level": _OFF,
        "builds_access_level": _OFF,
        "snippets_access_level": _OFF,
        "pages_access_level": _OFF,
        "operations_access_level": _OFF,
        "analytics_access_level": _OFF,
        "container_registry_access_level": _OFF,
        "security_and_compliance_access_level": _OFF,
        "emails_disabled": None,
        "shared_runners_enabled": False,
        "lfs_enabled": False,
        "creator_id": None,
        "import_status": "none",
        "open_issues_count": 0,
        "ci_default_git_depth": 20,
        "ci_forward_deployment_enabled": True,
        "ci_job_token_scope_enabled": True,
        "public_jobs": True,
        "build_timeout": 3_600,
        "auto_cancel_pending_pipelines": "enabled",
        "build_coverage_regex": None,
        "ci_config_path": None,
        "shared_with_groups": [],
        "only_allow_merge_if_pipeline_succeeds": False,
        "allow_merge_on_skipped_pipeline": None,
        "restrict_user_defined_variables": False,
        "request_access_enabled": False,
        "only_allow_merge_if_all_discussions_are_resolved": False,
        "remove_source_branch_after_merge": True,
        "printing_merge_request_link_enabled": True,
        "merge_method": "merge",
        "squash_option": "default_off",
        "auto_devops_enabled": False,
        "auto_devops_deploy_strategy": "continuous",
        "autoclose_referenced_issues": True,
        "keep_latest_artifact": True,
    }
)
_GROUP: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "description": "",
        "share_with_group_lock": False,
        "require_two_factor_authentication": False,
        "two_factor_grace_period": 48,
        "project_creation_level": "noone",
        "auto_devops_enabled": None,
        "subgroup_creation_level": "owner",
        "emails_disabled": None,
        "mentions_disabled": None,
        "lfs_enabled": False,
        "default_branch_protection": 2,
        "avatar_url": None,
        "request_access_enabled": False,
    }
)


def user_entity(user: Record, *, base: str) -> CurrentUser:
    """Return the caller's own user; only an administrator's says whether he is one."""
    address = f"{user['id']}-{user['username']}@users.noreply.{_host(base)}"
    values: dict[str, Any] = {
        **_USER,
        "id": user["id"],
        "username": user["username"],
        "name": user["name"],
        "state": user["state"],
        "web_url": f"{base}/{user['username']}",
        "created_at": user["created_at"],
        "confirmed_at": user["created_at"],
        "email": address,
        "commit_email": address,
        "external": user["external"],
    }
    if user["admin"]:
        values["is_admin"] = True
    return CurrentUser.model_validate(values)


def token_entity(token: Record) -> CurrentToken:
    """Return the caller's own token; that it is used now is not noted."""
    expires_at = token["expires_at"]
    is_expired = expires_at is not None and expires_at <= datetime.now(UTC).date()
    return CurrentToken(
        id=token["id"],
        name=token["name"],
        revoked=token["revoked_at"] is not None,
        created_at=token["created_at"],
        scopes=token["scopes"],
        user_id=token["user_id"],
        last_used_at=None,
        active=token["revoked_at"] is None and not is_expired,
        expires_at=expires_at,
    )


def basic_project_entity(project: Record, *, base: str) -> BasicProject:
    """Return a project with few keys."""
    return BasicProject.model_validate(_basic_values(project, base))


def project_entity(project: Record, *, base: str, with_permissions: bool) -> Project:
    """Return a project with all its keys."""
    values = {
        **_basic_values(project, base),
        **_PROJECT,
        "_links": _links(f"{base}/api/v4/projects/{project['id']}"),
        "packages_enabled": project["packages_enabled"],
        "package_registry_access_level": "enabled" if project["packages_enabled"] else _OFF,
        "visibility": project["visibility"],
    }
    if with_permissions:
        values["permissions"] = Permissions(
            project_access=_membership(project["project_level"]), group_access=_membership(project["group_level"])
        )
    return Project.model_validate(values)


def group_entity(group: Record, *, base: str) -> Group:
    """Return a group."""
    return Group.model_validate(_group_values(group, base))


def group_with_projects_entity(group: Record, projects: list[Project], *, base: str) -> GroupWithProjects:
    """Return a group with projects of its own; nothing is shared with groups here."""
    return GroupWithProjects.model_validate(
        {**_group_values(group, base), "shared_with_groups": [], "projects": projects, "shared_projects": []}
    )


def _basic_values(project: Record, base: str) -> dict[str, Any]:
    path = project["path"]
    return {
        **_BASIC_PROJECT,
        "id": project["id"],
        "name": project["name"],
        "name_with_namespace": _NAME_SEPARATOR.join([*project["group_names"], project["name"]]),
        "path": _last_segment(path),
        "path_with_namespace": path,
        "created_at": project["created_at"],
        "ssh_url_to_repo": f"git@{_host(base)}:{path}.git",
        "http_url_to_repo": f"{base}/{path}.git",
        "web_url": f"{base}/{path}",
        "last_activity_at": project["created_at"],
        "namespace": _namespace(project, base),
    }


def _namespace(project: Record, base: str) -> Namespace:
    path = project["group_path"]
    return Namespace(
        id=project["group_id"],
        name=project["group_name"],
        path=_last_segment(path),
        kind="group",
        full_path=path,
        parent_id=project["group_parent_id"],
        avatar_url=None,
        web_url=f"{base}/groups/{path}",
    )


def _links(address: str) -> ProjectLinks:
    return ProjectLinks.model_validate(
        {
            "self": address,
            "repo_branches": f"{address}/repository/branches",
            "labels": f"{address}/labels",
            "events": f"{address}/events",
            "members": f"{address}/members",
        }
    )


def _membership(level: int | None) -> Membership | None:
    if level is None:
        return None
    return Membership.model_validate({"access_level": level, "notification_level": _DEFAULT_NOTIFICATIONS})


def _group_values(group: Record, base: str) -> dict[str, Any]:
    path = group["path"]
    return {
        **_GROUP,
        "id": group["id"],
        "web_url": f"{base}/groups/{path}",
        "name": group["name"],
        "path": _last_segment(path),
        "visibility": group["visibility"],
        "full_name": _NAME_SEPARATOR.join(group["names"]),
        "full_path": path,
        "created_at": group["created_at"],
        "parent_id": group["parent_id"],
    }


def _last_segment(path: str) -> str:
    return path.rpartition("/")[2]


def _host(base: str) -> str:
    return URL(base).host or "localhost"

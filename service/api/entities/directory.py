"""From rows of projects and groups to resources."""

from functools import cache
from typing import Final

from schemas.http.directory_resources import (
    BasicProject,
    GroupResource,
    GroupWithProjects,
    Membership,
    Namespace,
    Permissions,
    ProjectResource,
)
from schemas.names import AccessLevel
from service.api.entities.addresses import host_of
from service.api.entities.gitlab_defaults import BASIC_PROJECT, GROUP, OFF, PROJECT
from service.catalogue.rows.groups import GroupRow
from service.catalogue.rows.projects import ProjectRow

_NAME_SEPARATOR: Final = " / "
_DEFAULT_NOTIFICATIONS: Final = 3
"""GitLab's number for: as in the user's own settings."""


def basic_project_entity(project: ProjectRow, *, base: str) -> BasicProject:
    """Return a project with few keys."""
    return BasicProject.model_validate(_basic_values(project, base))


def project_entity(project: ProjectRow, *, base: str, with_permissions: bool) -> ProjectResource:
    """Return a project with all its keys."""
    values = {
        **PROJECT,
        **_basic_values(project, base),
        "_links": _links(f"{base}/api/v4/projects/{project.id}"),
        "packages_enabled": project.packages_enabled,
        "package_registry_access_level": "enabled" if project.packages_enabled else OFF,
        "visibility": project.visibility,
    }
    if with_permissions:
        values["permissions"] = Permissions(
            project_access=_membership(project.project_level), group_access=_membership(project.group_level)
        )
    return ProjectResource.model_validate(values)


def group_entity(group: GroupRow, *, base: str) -> GroupResource:
    """Return a group."""
    return GroupResource.model_validate(_group_values(group, base))


def group_with_projects_entity(group: GroupRow, projects: list[ProjectResource], *, base: str) -> GroupWithProjects:
    """Return a group with projects of its own; nothing is shared with groups here."""
    return GroupWithProjects.model_validate(
        {**_group_values(group, base), "shared_with_groups": [], "projects": projects, "shared_projects": []}
    )


def _basic_values(project: ProjectRow, base: str) -> dict[str, object]:
    path = project.path
    return {
        **BASIC_PROJECT,
        "id": project.id,
        "name": project.name,
        "name_with_namespace": _NAME_SEPARATOR.join([*project.group_names, project.name]),
        "path": _last_segment(path),
        "path_with_namespace": path,
        "created_at": project.created_at,
        "ssh_url_to_repo": f"git@{host_of(base)}:{path}.git",
        "http_url_to_repo": f"{base}/{path}.git",
        "web_url": f"{base}/{path}",
        "last_activity_at": project.created_at,
        "namespace": _namespace(project, base),
    }


def _namespace(project: ProjectRow, base: str) -> Namespace:
    path = project.group_path
    return Namespace(
        id=project.group_id,
        name=project.group_name,
        path=_last_segment(path),
        kind="group",
        full_path=path,
        parent_id=project.group_parent_id,
        avatar_url=None,
        web_url=f"{base}/groups/{path}",
    )


def _links(address: str) -> dict[str, str]:
    return {
        "self": address,
        "repo_branches": f"{address}/repository/branches",
        "labels": f"{address}/labels",
        "events": f"{address}/events",
        "members": f"{address}/members",
    }


@cache
def _membership(level: AccessLevel | None) -> Membership | None:
    if level is None:
        return None
    return Membership.model_validate({"access_level": level, "notification_level": _DEFAULT_NOTIFICATIONS})


def _group_values(group: GroupRow, base: str) -> dict[str, object]:
    path = group.path
    return {
        **GROUP,
        "id": group.id,
        "web_url": f"{base}/groups/{path}",
        "name": group.name,
        "path": _last_segment(path),
        "visibility": group.visibility,
        "full_name": _NAME_SEPARATOR.join(group.names),
        "full_path": path,
        "created_at": group.created_at,
        "parent_id": group.parent_id,
    }


def _last_segment(path: str) -> str:
    return path.rpartition("/")[2]

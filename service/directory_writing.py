"""Writing a directory file that nothing objects to: each kind in its turn, parents before children."""

from collections.abc import Sequence
from typing import Any

from schemas.directory import (
    AccessTokenEntry,
    DeployTokenEntry,
    DirectoryFile,
    GroupEntry,
    ProjectEntry,
    UserEntry,
)
from service.digests import token_digest
from service.directory_objections import Known, parent_of
from service.infra import directory_rows
from service.infra.database import Connection
from service.infra.directory_rows import Counts, Found
from service.infra.ids import complete_ids

Row = dict[str, Any]


async def write_directory(connection: Connection, file: DirectoryFile, *, known: Known) -> dict[str, Counts]:
    """Write the whole file and return what was done, by kind."""
    writing = _Writing(connection, known)
    await writing.store_users(file.users)
    await writing.store_groups(file.groups)
    await writing.store_projects(file.projects)
    await writing.store_members()
    await writing.store_deploy_tokens()
    await writing.store_job_tokens()
    await writing.store_protection_rules()
    return writing.counts


class _Writing:
    """What was written so far, and the ids under which it was."""

    def __init__(self, connection: Connection, known: Known) -> None:
        self.counts: dict[str, Counts] = {}
        self._connection = connection
        self._known = known
        self._user_ids = {name: found.id for name, found in known.users.by_name.items()}
        self._places = dict(known.groups.by_name)
        self._groups: list[tuple[int, GroupEntry]] = []
        self._projects: list[tuple[int, ProjectEntry]] = []

    async def store_users(self, users: Sequence[UserEntry]) -> None:
        known = self._known.users.by_name
        ids = await self._complete_ids(
            "directory_user", [(user.id, known.get(user.username.lower())) for user in users]
        )
        numbered = list(zip(ids, users, strict=True))
        self._user_ids |= {user.username.lower(): user_id for user_id, user in numbered}
        await self._store("users", [_user_row(user_id, user) for user_id, user in numbered])
        tokens = [{"user_id": user_id, **_token_row(token)} for user_id, user in numbered for token in user.tokens]
        await self._store("access_tokens", tokens, user_ids=ids)

    async def store_groups(self, groups: Sequence[GroupEntry]) -> None:
        known = self._known.groups.by_name
        ids = await self._complete_ids(
            "directory_group", [(group.id, known.get(group.path.lower())) for group in groups]
        )
        self._groups = sorted(zip(ids, groups, strict=True), key=lambda pair: pair[1].path.count("/"))
        await self._store("groups", [self._group_row(*pair) for pair in self._groups])

    async def store_projects(self, projects: Sequence[ProjectEntry]) -> None:
        known = self._known.projects.by_name
        ids = await self._complete_ids(
            "project", [(project.id, known.get(project.path.lower())) for project in projects]
        )
        self._projects = list(zip(ids, projects, strict=True))
        await self._store("projects", [self._project_row(*pair) for pair in self._projects])

    async def store_members(self) -> None:
        groups = [(group_id, group.members) for group_id, group in self._groups if group.members is not None]
        projects = [(project_id, p.members) for project_id, p in self._projects if p.members is not None]
        rows = [
            {"user_id": self._user_ids[name.lower()], owner: owner_id, "access_level": role.level}
            for owner, owned in (("group_id", groups), ("project_id", projects))
            for owner_id, members in owned
            for name, role in members.items()
        ]
        await self._store(
            "members",
            rows,
            group_ids=[group_id for group_id, _ in groups],
            project_ids=[project_id for project_id, _ in projects],
        )

    async def store_deploy_tokens(self) -> None:
        owned = [(project_id, p.deploy_tokens) for project_id, p in self._projects if p.deploy_tokens is not None]
        rows = [
            {"project_id": project_id, "username": token.username, **_token_row(token)}
            for project_id, tokens in owned
            for token in tokens
        ]
        await self._store("deploy_tokens", rows, project_ids=[project_id for project_id, _ in owned])

    async def store_job_tokens(self) -> None:
        owned = [(project_id, p.job_tokens) for project_id, p in self._projects if p.job_tokens is not None]
        tokens = [(project_id, token) for project_id, tokens in owned for token in tokens]
        pipelines = {
            token.pipeline.id: {
                "project_id": project_id,
                "user_id": self._user_ids[token.user.lower()],
                **token.pipeline.model_dump(mode="json"),
            }
            for project_id, token in tokens
            if token.pipeline
        }
        await self._store("pipelines", list(pipelines.values()))
        rows = [
            {
                "project_id": project_id,
                "user_id": self._user_ids[token.user.lower()],
                "pipeline_id": token.pipeline.id if token.pipeline else None,
                "digest": token_digest(token.token.get_secret_value()).hex(),
            }
            for project_id, token in tokens
        ]
        await self._store("job_tokens", rows, project_ids=[project_id for project_id, _ in owned])

    async def store_protection_rules(self) -> None:
        owned = [(project_id, p.protection_rules) for project_id, p in self._projects if p.protection_rules is not None]
        rows = [
            {
                "project_id": project_id,
                "package_type": rule.package_type,
                "package_name_pattern": rule.package_name_pattern,
                "minimum_access_level_for_delete": rule.minimum_access_level_for_delete.level,
            }
            for project_id, rules in owned
            for rule in rules
        ]
        await self._store("protection_rules", rows, project_ids=[project_id for project_id, _ in owned])

    async def _store(self, kind: str, rows: Sequence[Row], **owners: Sequence[int]) -> None:
        self.counts[kind] = await directory_rows.store(self._connection, kind, rows=rows, **owners)

    async def _complete_ids(self, table: str, entries: Sequence[tuple[int | None, Found | None]]) -> list[int]:
        ids = [found.id if found else chosen for chosen, found in entries]
        return await complete_ids(self._connection, table, ids)

    def _group_row(self, group_id: int, group: GroupEntry) -> Row:
        parent = self._places.get(parent_of(group.path.lower()))
        place = self._places.get(group.path.lower())
        if place is None:
            ancestry = (*(parent.ancestry if parent else ()), group_id)
            place = Found(group_id, _path_below(parent, group.path), ancestry)
            self._places[group.path.lower()] = place
        return {
            "id": group_id,
            "parent_id": parent.id if parent else None,
            "ancestry": place.ancestry,
            "path": place.name,
            **group.model_dump(include={"name", "visibility"}, mode="json"),
        }

    def _project_row(self, project_id: int, project: ProjectEntry) -> Row:
        parent = self._places[parent_of(project.path.lower())]
        return {
            "id": project_id,
            "group_id": parent.id,
            "path": _path_below(parent, project.path),
            **project.model_dump(include={"name", "visibility", "packages_enabled"}, mode="json"),
        }


def _user_row(user_id: int, user: UserEntry) -> Row:
    row = user.model_dump(include={"username", "admin", "external", "state"}, mode="json")
    return {"id": user_id, "name": user.name or user.username, **row}


def _token_row(token: AccessTokenEntry | DeployTokenEntry) -> Row:
    row = token.model_dump(include={"name", "scopes", "expires_at"}, mode="json")
    return {"digest": token_digest(token.token.get_secret_value()).hex(), **row}


def _path_below(parent: Found | None, path: str) -> str:
    # Spelled as the parent is, whatever case of letters the file refers to it in.
    return f"{parent.name}/{path.rpartition('/')[2]}" if parent else path

"""Writing a directory file that nothing objects to: each kind in its turn, parents before children."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas.files.directory import (
    AccessTokenEntry,
    DeletionRules,
    DeployTokenEntry,
    DirectoryFile,
    GroupEntry,
    ProjectEntry,
    UserEntry,
)
from schemas.names import AccessLevel, ProtectionLevel
from service.deletions.holds import wake_released
from service.digests import token_digest
from service.directory_file import rows as directory_rows
from service.directory_file.limits import store_limits
from service.directory_file.moves import Names, Placement, place_groups, place_projects
from service.directory_file.retention import owned_rules, store_retention_rules
from service.directory_file.rows import Counts, Found, Rows
from service.directory_file.validation import Existing
from service.infra.postgres.database import Connection
from service.infra.postgres.ids import complete_ids

Row = dict[str, object]

_GROUP_COLUMNS: Final = {
    "name",
    "visibility",
    "generic_duplicates_allowed",
    "generic_duplicate_exception_regex",
    "nuget_duplicates_allowed",
    "nuget_duplicate_exception_regex",
    "maven_duplicates_allowed",
    "maven_duplicate_exception_regex",
}


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """The ids of the groups and projects of a file, and what was done, by kind."""

    groups: Sequence[tuple[int, GroupEntry]]
    projects: Sequence[tuple[int, ProjectEntry]]
    counts: dict[str, Counts]


async def write_directory(connection: Connection, file: DirectoryFile, *, known: Existing) -> WrittenFile:
    """Write the whole file, but for its webhooks."""
    writing = _Writing(connection, known)
    await writing.store_users(file.users)
    await writing.store_groups(file.groups)
    await writing.store_projects(file.projects)
    await writing.keep_old_paths()
    await writing.store_members()
    await writing.store_deploy_tokens()
    await writing.store_job_tokens()
    await writing.store_job_token_allowances()
    await writing.store_protection_rules()
    await writing.store_deletion_rules()
    await writing.store_limits()
    await writing.store_retention_rules(file)
    return writing.result()


class _Writing:
    """The rows that were written so far, and their ids."""

    def __init__(self, connection: Connection, known: Existing) -> None:
        self.counts: dict[str, Counts] = {}
        self._connection = connection
        self._known = known
        self._user_ids = _ids_of(known.users)
        self._project_ids = _ids_of(known.projects)
        self._groups: list[tuple[int, GroupEntry]] = []
        self._projects: list[tuple[int, ProjectEntry]] = []
        self._group_placements: list[Placement[GroupEntry]] = []
        self._project_placements: list[Placement[ProjectEntry]] = []

    def result(self) -> WrittenFile:
        """Return what was written."""
        return WrittenFile(self._groups, self._projects, self.counts)

    async def store_users(self, users: Sequence[UserEntry]) -> None:
        known = self._known.users.by_name
        ids = await self._complete_ids(
            "directory_user", [(user.id, known.get(user.username.lower())) for user in users]
        )
        numbered = list(zip(ids, users, strict=True))
        self._user_ids |= {user.username.lower(): user_id for user_id, user in numbered}
        await self._set_aside("users", self._known.users)
        await self._store("users", [_user_row(user_id, user) for user_id, user in numbered])
        tokens = [{"user_id": user_id, **_token_row(token)} for user_id, user in numbered for token in user.tokens]
        self.counts["access_tokens"] = await directory_rows.store_access_tokens(self._connection, tokens, user_ids=ids)

    async def store_groups(self, groups: Sequence[GroupEntry]) -> None:
        known = self._known.groups.by_name
        ids = await self._complete_ids(
            "directory_group", [(group.id, known.get(group.path.lower())) for group in groups]
        )
        self._groups = list(zip(ids, groups, strict=True))
        self._group_placements = place_groups(self._groups, self._known.groups)
        await self._set_aside("groups", self._known.groups)
        await self._store(
            "groups", [_group_row(placement) for placement in self._group_placements if _is_stored(placement)]
        )

    async def store_projects(self, projects: Sequence[ProjectEntry]) -> None:
        known = self._known.projects.by_name
        ids = await self._complete_ids(
            "project", [(project.id, known.get(project.path.lower())) for project in projects]
        )
        self._projects = list(zip(ids, projects, strict=True))
        self._project_ids |= {project.path.lower(): project_id for project_id, project in self._projects}
        groups = {placement.place.name.lower(): placement.place for placement in self._group_placements}
        self._project_placements = place_projects(self._projects, self._known.projects, groups=groups)
        await self._set_aside("projects", self._known.projects)
        await self._store(
            "projects", [_project_row(placement) for placement in self._project_placements if _is_stored(placement)]
        )

    async def keep_old_paths(self) -> None:
        """Let projects be found under the paths that they had, as long as nothing else is there."""
        taken = {placement.place.name.lower() for placement in self._group_placements if placement.has_new_path}
        taken |= {placement.place.name.lower() for placement in self._project_placements if placement.has_new_path}
        if not taken:
            return
        renamed = {project.name: project.id for project in self._known.projects.renamed()}
        await directory_rows.keep_old_paths(self._connection, renamed)
        paths = taken | {path.lower() for path in renamed}
        await directory_rows.delete_taken_paths(self._connection, paths)

    async def store_members(self) -> None:
        groups = [(group_id, group.members) for group_id, group in self._groups if group.members is not None]
        projects = [(project_id, p.members) for project_id, p in self._projects if p.members is not None]
        rows = [
            {"user_id": self._user_ids[name.lower()], owner: owner_id, "access_level": role.level}
            for owner, owned in (("group_id", groups), ("project_id", projects))
            for owner_id, members in owned
            for name, role in members.items()
        ]
        self.counts["members"] = await directory_rows.store_members(
            self._connection,
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
        await self._store_of_projects("deploy_tokens", rows, project_ids=[project_id for project_id, _ in owned])

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
        await self._store_of_projects("job_tokens", rows, project_ids=[project_id for project_id, _ in owned])

    async def store_job_token_allowances(self) -> None:
        owned = [
            (project_id, p.job_token_allowlist) for project_id, p in self._projects if p.job_token_allowlist is not None
        ]
        rows = [
            {"project_id": project_id, "source_project_id": self._project_ids[path.lower()]}
            for project_id, paths in owned
            for path in paths
        ]
        await self._store_of_projects("job_token_allowances", rows, project_ids=[project_id for project_id, _ in owned])

    async def store_protection_rules(self) -> None:
        owned = [(project_id, p.protection_rules) for project_id, p in self._projects if p.protection_rules is not None]
        rows = [
            {
                "project_id": project_id,
                "package_type": rule.package_type,
                "package_name_pattern": rule.package_name_pattern,
                "minimum_access_level_for_push": _level_of(rule.minimum_access_level_for_push),
                "minimum_access_level_for_delete": _level_of(rule.minimum_access_level_for_delete),
            }
            for project_id, rules in owned
            for rule in rules
        ]
        await self._store_of_projects("protection_rules", rows, project_ids=[project_id for project_id, _ in owned])

    async def store_deletion_rules(self) -> None:
        owned: list[tuple[str, int, DeletionRules]] = [("group", group_id, group) for group_id, group in self._groups]
        owned += [("project", project_id, project) for project_id, project in self._projects]
        rows = [
            {"owner": owner, "id": owner_id, "written": sorted(written), **_rules_of(entry)}
            for owner, owner_id, entry in owned
            if (written := entry.model_fields_set & DeletionRules.model_fields.keys())
        ]
        await self._store("deletion_rules", rows)
        await wake_released(self._connection)

    async def store_limits(self) -> None:
        self.counts |= await store_limits(self._connection, self._groups, self._projects)

    async def store_retention_rules(self, file: DirectoryFile) -> None:
        owned = owned_rules(file, self._groups, self._projects)
        self.counts["retention_rules"] = await store_retention_rules(self._connection, owned)

    async def _store(self, kind: str, rows: Rows) -> None:
        self.counts[kind] = await directory_rows.store(self._connection, kind, rows)

    async def _store_of_projects(self, kind: str, rows: Rows, *, project_ids: Sequence[int]) -> None:
        self.counts[kind] = await directory_rows.store_of_projects(
            self._connection, kind, rows, project_ids=project_ids
        )

    async def _set_aside(self, kind: str, known: Names) -> None:
        if renamed := known.renamed():
            await directory_rows.set_aside(self._connection, kind, [one.id for one in renamed])

    async def _complete_ids(self, table: str, entries: Sequence[tuple[int | None, Found | None]]) -> list[int]:
        ids = [found.id if found else chosen for chosen, found in entries]
        return await complete_ids(self._connection, table, ids)


def _ids_of(names: Names) -> dict[str, int]:
    return {name: found.id for name, found in names.by_name.items()}


def _is_stored(placement: Placement[GroupEntry] | Placement[ProjectEntry]) -> bool:
    return placement.entry is not None or placement.place != placement.before


def _group_row(placement: Placement[GroupEntry]) -> Row:
    place, entry = placement.place, placement.entry
    row = {"id": place.id, "parent_id": place.ancestry[-2] if len(place.ancestry) > 1 else None}
    said = entry.model_dump(include=_GROUP_COLUMNS, mode="json") if entry else {}
    written = sorted(entry.model_fields_set) if entry else []
    return {**row, "ancestry": place.ancestry, "path": place.name, **said, "written": written}


def _project_row(placement: Placement[ProjectEntry]) -> Row:
    place, entry = placement.place, placement.entry
    said = entry.model_dump(include={"name", "visibility", "packages_enabled"}, mode="json") if entry else {}
    return {"id": place.id, "group_id": place.ancestry[-1], "path": place.name, **said}


def _user_row(user_id: int, user: UserEntry) -> Row:
    row = user.model_dump(include={"username", "admin", "external", "state"}, mode="json")
    return {"id": user_id, "name": user.name or user.username, **row}


def _rules_of(entry: DeletionRules) -> Row:
    return entry.model_dump(include=set(DeletionRules.model_fields), mode="json")


def _level_of(level: ProtectionLevel | None) -> AccessLevel | None:
    return None if level is None else level.level


def _token_row(token: AccessTokenEntry | DeployTokenEntry) -> Row:
    row = token.model_dump(include={"name", "scopes", "expires_at"}, mode="json")
    return {"digest": token_digest(token.token.get_secret_value()).hex(), **row}

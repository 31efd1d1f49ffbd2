"""Writing the limits of a directory file: quotas, and what becomes of the names of deleted packages."""

import json
from collections.abc import Sequence
from typing import Final, TypeAlias

from schemas.files.directory import GroupEntry, ProjectEntry
from service.directory_file.rows import Counts, Rows
from service.infra.postgres.database import Connection, fetch

_Entry: TypeAlias = GroupEntry | ProjectEntry
_Owner: TypeAlias = tuple[str, int, _Entry]
_STORE: Final = {"quotas": "store_quotas", "deleted_names": "store_name_rules"}


async def store_limits(
    connection: Connection, groups: Sequence[tuple[int, GroupEntry]], projects: Sequence[tuple[int, ProjectEntry]]
) -> dict[str, Counts]:
    """Let each place have exactly the limits that its entry gives; a key that is left out leaves them alone."""
    owners: list[_Owner] = [("group_id", number, group) for number, group in groups]
    owners += [("project_id", number, project) for number, project in projects]
    quotas = [each for each in owners if "quota" in each[2].model_fields_set]
    names = [each for each in owners if "deleted_names" in each[2].model_fields_set]
    return {
        "quotas": await _store(connection, "quotas", quotas, _quota_rows(quotas)),
        "deleted_names": await _store(connection, "deleted_names", names, _name_rows(names)),
    }


def _quota_rows(owners: Sequence[_Owner]) -> Rows:
    return [
        {owner: number, "bytes": int(entry.quota.bytes), "enforce": entry.quota.enforce}
        for owner, number, entry in owners
        if entry.quota is not None
    ]


def _name_rows(owners: Sequence[_Owner]) -> Rows:
    return [
        {owner: number, "package_type": package_type, "mode": mode}
        for owner, number, entry in owners
        for package_type, mode in (entry.deleted_names or {}).items()
    ]


async def _store(connection: Connection, kind: str, owners: Sequence[_Owner], rows: Rows) -> Counts:
    """Write the rows of these places; the others that they have are removed."""
    (row,) = await fetch(
        connection,
        _STORE[kind],
        rows=json.dumps(rows),
        group_ids=[number for owner, number, _ in owners if owner == "group_id"],
        project_ids=[number for owner, number, _ in owners if owner == "project_id"],
    )
    unchanged = len(rows) - row["created"] - row["updated"]
    return Counts(row["created"], row["updated"], unchanged, row["removed"])

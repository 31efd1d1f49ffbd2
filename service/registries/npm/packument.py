"""The metadata of one name, which npm calls a packument: made from the rows with each answer, never stored."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from schemas.base import Json
from service.registries.npm.names import is_release
from service.registries.npm.rows import VersionRow

_LATEST: Final = "latest"
_PATH: Final = "@/+"
"""Characters of names that are written as they are, besides letters and digits."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Packument(BaseModel):
    """The metadata of one name."""

    model_config = ConfigDict(populate_by_name=True)

    name: str
    dist_tags: dict[str, str] = Field(alias="dist-tags")
    versions: dict[str, Json]
    time: dict[str, str]
    """The moments at which the first version was created, any was changed, and each was created."""
    rev: str = Field(alias="_rev")
    """Changes with each version that comes or goes; an unpublish names it."""


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of a name that can be installed: one for each version number, the highest first."""

    rows: Sequence[VersionRow]
    tagged: Mapping[str, VersionRow]
    """Tag -> the version that has it."""

    @property
    def tags(self) -> Mapping[str, str]:
        """Tag -> version; `latest` is always among them."""
        highest = next((row for row in self.rows if is_release(row.version)), self.rows[0])
        return {_LATEST: highest.version} | {tag: row.version for tag, row in sorted(self.tagged.items())}

    @property
    def revision(self) -> str:
        """Return a text that changes with each version that comes or goes."""
        ids = ",".join(map(str, sorted(row.package_id for row in self.rows)))
        return f"{len(self.rows)}-{hashlib.sha256(ids.encode()).hexdigest()[:32]}"


def versions_of(rows: Iterable[VersionRow]) -> Versions | None:
    """Return the versions and tags of rows that come with the highest first; None if there are none.

    If several projects have a version, the newest package counts. The tag that was set last counts, too.
    """
    chosen: dict[str, VersionRow] = {}
    tagged: dict[str, VersionRow] = {}
    for row in rows:
        # The newest package comes first, and the newest tarball of a package.
        chosen.setdefault(row.version, row)
        if row.tag is not None:
            tagged[row.tag] = max(tagged.get(row.tag, row), row, key=_moment_of_tag)
    return Versions(list(chosen.values()), tagged) if chosen else None


def packument_of(name: str, versions: Versions, *, base_of: Callable[[int], str]) -> str:
    """Return the metadata as JSON; *base_of* gives the address of a project's npm packages by the project's id.

    The manifests are JSON already, and are not parsed again.
    """
    path = quote(name, safe=_PATH)
    listed = ",".join(
        f"{_written(row.version)}:{_version(name, row, f'{base_of(row.project_id)}/{path}')}" for row in versions.rows
    )
    times = {"created": _moment(min(row.created_at for row in versions.rows))}
    times["modified"] = _moment(max(row.updated_at for row in versions.rows))
    times |= {row.version: _moment(row.created_at) for row in reversed(versions.rows)}
    head = {"_id": name, "_rev": versions.revision, "name": name, "dist-tags": versions.tags}
    ends = {"time": times, "modified": times["modified"]}
    return f'{_written(head)[:-1]},"versions":{{{listed}}},{_written(ends)[1:]}'


def _version(name: str, row: VersionRow, base: str) -> str:
    dist: Json = {"tarball": f"{base}/-/{quote(row.file_name, safe=_PATH)}"}
    if row.sha1 is not None:
        dist["shasum"] = row.sha1.hex()
    facts = {"integrity": row.integrity, "fileCount": row.file_count, "unpackedSize": row.unpacked_size}
    dist |= {key: value for key, value in facts.items() if value is not None}
    ours: Json = {"_id": f"{name}@{row.version}", "dist": dist}
    if row.deprecated:
        ours["deprecated"] = row.deprecated
    manifest = row.manifest or _written({"name": name, "version": row.version})
    return f"{manifest.rstrip()[:-1]},{_written(ours)[1:]}"


def _moment_of_tag(row: VersionRow) -> datetime:
    return row.tagged_at or _EPOCH


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _written(value: object) -> str:
    return to_json(value).decode()

"""The versions and tags of one name, whose metadata npm calls a packument: made from rows each time, never stored."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from schemas.base import Json
from service.registries.npm.names import is_release
from service.registries.npm.rows import VersionRow

_LATEST: Final = "latest"
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


def _moment_of_tag(row: VersionRow) -> datetime:
    return row.tagged_at or _EPOCH

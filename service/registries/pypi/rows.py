"""Reading the files of PyPI packages that can be installed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from packaging.utils import canonicalize_name

from service.infra.postgres.database import Connection, Record, fetch

MOST_FILES: Final = 20_000
"""Files that one index shows: of more, the newest."""
_MOST_NAMES: Final = 100_000


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file as an index shows it; *size* in bytes."""

    project_id: int
    version: str | None
    file_name: str
    size: int
    sha256: bytes
    created_at: datetime
    requires_python: str | None
    metadata_sha256: str | None
    """Hexadecimal; None where the metadata are not served."""


async def list_files(connection: Connection, project_ids: Collection[int], normal_name: str) -> list[IndexedFile]:
    """Return the files of the package with that normal name in these projects, at most 20,000."""
    rows = await fetch(
        connection, "pypi_files", project_ids=list(project_ids), normal_name=normal_name, limit=MOST_FILES
    )
    # PostgreSQL takes ten times as long to find the normal forms of a thousand file names.
    beginning = f"{normal_name}-"
    return [IndexedFile(**row) for row in rows if canonicalize_name(row["file_name"]).startswith(beginning)]


async def list_names(connection: Connection, project_ids: Collection[int]) -> list[str]:
    """Return the normal names of the packages in these projects that have a file, at most 100,000, in their order."""
    rows = await fetch(connection, "pypi_names", project_ids=list(project_ids), limit=_MOST_NAMES)
    return [row["normal_name"] for row in rows]


async def find_file(
    connection: Connection,
    project_ids: Collection[int],
    *,
    normal_names: Collection[str],
    file_name: str,
    sha256: bytes,
) -> Record | None:
    """Return the newest file with that name and these bytes, of a package with one of the normal names."""
    rows = await fetch(
        connection,
        "pypi_file",
        project_ids=list(project_ids),
        normal_names=list(normal_names),
        file_name=file_name,
        sha256=sha256,
    )
    return rows[0] if rows else None

"""Reading the names and files of PyPI packages that can be installed."""

from collections.abc import Collection
from typing import Final

from service.infra.postgres.database import Connection, Record, fetch

_MOST_NAMES: Final = 100_000


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

"""Reading the charts of a channel that can be installed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from service.infra.postgres.database import Connection, Record, fetch
from service.infra.postgres.records import row_reader

MOST_CHARTS: Final = 20_000
"""Charts that one index shows: of more, the newest."""
MOST_METADATA: Final = 32 * 1024 * 1024
"""Bytes of the metadata of all charts that one index shows: of more, the newest."""


@dataclass(frozen=True, slots=True)
class IndexedChart:
    """A chart as an index shows it."""

    name: str
    version: str
    sha256: bytes
    created_at: datetime
    metadata: str
    """JSON of a mapping that is not empty, without what the index itself says of the file."""


_chart: Final = row_reader(IndexedChart)


async def list_charts(
    connection: Connection, *, project_id: int, channel: str, most_bytes: int = MOST_METADATA
) -> list[IndexedChart]:
    """Return the charts of a channel, the newest first: at most 20,000, with *most_bytes* of metadata."""
    rows = await fetch(
        connection,
        "helm_charts",
        project_id=project_id,
        channel=channel,
        limit=MOST_CHARTS,
        most_bytes=most_bytes,
    )
    return [_chart(row) for row in rows]


async def find_file(
    connection: Connection, *, project_id: int, channel: str, file_name: str, charts: Collection[tuple[str, str]]
) -> Record | None:
    """Return the newest file of that name in the channel, of a chart with one of these names and versions."""
    rows = await fetch(
        connection,
        "helm_file",
        project_id=project_id,
        channel=channel,
        file_name=file_name,
        names=[name for name, _ in charts],
        versions=[version for _, version in charts],
    )
    return rows[0] if rows else None

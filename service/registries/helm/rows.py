"""Reading the charts of a channel that can be installed."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from service.infra.postgres.database import Connection, Record, fetch

MOST_CHARTS: Final = 20_000
"""Charts that one index shows: of more, the newest."""


@dataclass(frozen=True, slots=True)
class IndexedChart:
    """A chart as an index shows it."""

    sha256: bytes
    created_at: datetime
    metadata: Mapping[str, object]


async def list_charts(connection: Connection, *, project_id: int, channel: str) -> list[IndexedChart]:
    """Return the charts of a channel, the newest first, at most 20,000."""
    rows = await fetch(connection, "helm_charts", project_id=project_id, channel=channel, limit=MOST_CHARTS)
    return [IndexedChart(row["sha256"], row["created_at"], _object(row["metadata"])) for row in rows]


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


def _object(found: object) -> Mapping[str, object]:
    value = json.loads(found) if isinstance(found, str) else found
    return value if isinstance(value, dict) else {}

"""The index of a channel, as `helm repo add` reads it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from service.registries.helm.charts import chart_file_name
from service.registries.helm.rows import IndexedChart

_ESCAPED: Final = {
    code: f"\\u{code:04x}"
    for code in (*range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF, *range(0xD800, 0xE000))
}
"""Characters that YAML does not take literally between double quotes, other than those that JSON escapes."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def index_of(charts: Sequence[IndexedChart], *, context_path: str) -> str:
    """Return the index as YAML; *context_path* is the path below which cm-push finds the address to push to.

    Each value is written as JSON, which is YAML, too: nothing is read as another type than it has. A long index takes
    a while, so this belongs into a thread.
    """
    entries: dict[str, list[str]] = {}
    for chart in charts:
        entries.setdefault(chart.name, []).append(_entry(chart))
    generated = max((chart.created_at for chart in charts), default=_EPOCH)
    listed = "".join(
        f"\n  {_written(name)}:" + "".join(f"\n  - {entry}" for entry in versions) for name, versions in entries.items()
    )
    return (
        "apiVersion: v1\n"
        f"entries:{listed or ' {}'}\n"
        f"generated: {_written(_moment(generated))}\n"
        f"serverInfo: {_written({'contextPath': context_path})}\n"
    )


def _entry(chart: IndexedChart) -> str:
    file_name = chart_file_name(chart.name, chart.version)
    facts = {"created": _moment(chart.created_at), "digest": chart.sha256.hex(), "urls": [f"charts/{file_name}"]}
    return f"{chart.metadata.translate(_ESCAPED)[:-1]}, {_written(facts)[1:]}"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).translate(_ESCAPED)

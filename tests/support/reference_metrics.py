"""The reference of metrics: those of the registry, and the gauges that the source defines with `gauges(…)`."""

import ast
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from service.observing.metrics import REGISTRY
from tests.support.paths import ROOT
from tests.support.tables import table

_SOURCES: Final = ("service", "workers")
_REPORTED_BY: Final[Mapping[str, str]] = {
    "packyard_http_": "API",
    "packyard_deletions_requested": "API",
    "packyard_deletions_finished": "workers",
    "packyard_deletions": "scheduler",
    "packyard_deletion_oldest": "scheduler",
    "packyard_deletion_": "workers",
    "packyard_files_destroyed": "workers",
    "packyard_bytes_reclaimed": "workers",
    "packyard_leases_expired": "workers",
    "packyard_consumer_up": "workers",
    "packyard_storage_delete": "workers",
    "packyard_storage_put": "API",
    "packyard_orphans_found": "scheduler",
    "packyard_outbox_unpublished": "scheduler",
    "packyard_outbox_lag": "scheduler",
    "packyard_outbox_": "relay",
    "packyard_queue_": "relay",
    "packyard_dead_letters": "relay",
    "packyard_active": "relay, scheduler",
    "packyard_": "all",
    "process_": "all",
    "python_": "all",
}
"""How a name begins -> the processes that report it; the first one that fits counts."""


class Metric(NamedTuple):
    """A metric as a scrape shows it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def metrics() -> str:
    """Return the table of all metrics, by name."""
    return table(
        ("metric", "kind", "labels", "reported by", "meaning"),
        (
            (f"`{metric.name}`", metric.kind, ", ".join(metric.labels), _reporter(metric.name), metric.meaning)
            for metric in sorted({*_registered(), *_looked_up()})
        ),
    )


def _registered() -> Iterator[Metric]:
    for collector in REGISTRY._collector_to_names:
        labels = getattr(collector, "_labelnames", ())
        for family in collector.describe() if hasattr(collector, "describe") else ():
            name = {"counter": "_total", "info": "_info"}.get(family.type, "")
            yield Metric(family.name + name, family.type, tuple(labels), family.documentation)
        if type(collector).__module__.startswith("prometheus_client.p"):
            for family in collector.collect():
                name = family.name + ("_total" if family.type == "counter" else "")
                yield Metric(name, family.type, (), family.documentation)


def _looked_up() -> Iterator[Metric]:
    for folder in _SOURCES:
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(
                        func=ast.Attribute(attr="gauges") | ast.Name(id="gauges"),
                        args=[
                            ast.Constant(value=str(name)),
                            ast.Constant(value=str(meaning)),
                            ast.Tuple() as labels,
                            _,
                        ],
                    ):
                        yield Metric(name, "gauge", ast.literal_eval(labels), meaning)
                    case _:
                        pass


def _reporter(name: str) -> str:
    return next(processes for beginning, processes in _REPORTED_BY.items() if name.startswith(beginning))

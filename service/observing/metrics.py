"""Counters and measurements of the processes, by the names under which Prometheus finds them.

A metric is like the log: the code that has something to report names it, and nothing depends on the report. Base units,
few labels, and never the id or the name of a project or a package.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from typing_extensions import override

from schemas.checks import FindingKind

MetricFamilies: TypeAlias = Iterable[GaugeMetricFamily]
"""Gauges that are read at the moment of asking."""

EXPOSITION_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

# Counters begin with the process, whose start is exported. A further series for each would repeat that.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library is not annotated there

REGISTRY: Final = CollectorRegistry()
"""All metrics of this process."""

_OF_DELETIONS: Final = ("package_type", "cause")
_HTTP_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
_STORAGE_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_LIFE_BUCKETS_S: Final = (
    *(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    *(_MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 6 * _HOUR, _DAY, 7 * _DAY, 31 * _DAY),
)

BUILD: Final = Info("packyard_build", "Which version runs, and the schema that it needs", registry=REGISTRY)

HTTP_REQUESTS: Final = Counter(
    "packyard_http_requests", "Requests that were answered", ("method", "route", "status"), registry=REGISTRY
)
HTTP_DURATION: Final = Histogram(
    "packyard_http_request_duration_seconds",
    "Time from a request's header to the end of its answer",
    ("method", "route"),
    buckets=_HTTP_BUCKETS_S,
    registry=REGISTRY,
)
HTTP_IN_PROGRESS: Final = Gauge(
    "packyard_http_requests_in_progress", "Requests that are being answered", registry=REGISTRY
)
HTTP_LEFT: Final = Counter(
    "packyard_http_requests_left",
    "Requests whose client went away before the answer, by what became of them: cancelled or finished",
    ("outcome",),
    registry=REGISTRY,
)
for _outcome in ("cancelled", "finished"):
    HTTP_LEFT.labels(_outcome)

DELETIONS_REQUESTED: Final = Counter(
    "packyard_deletions_requested", "Deletions that were accepted", _OF_DELETIONS, registry=REGISTRY
)
DELETIONS_FINISHED: Final = Counter(
    "packyard_deletions_finished",
    "Deletions that came to their end: succeeded or failed",
    (*_OF_DELETIONS, "outcome"),
    registry=REGISTRY,
)
DELETION_DURATION: Final = Histogram(
    "packyard_deletion_duration_seconds",
    "Time from the acceptance of a deletion, which hides the package, to its last byte; a grace is part of it",
    ("cause",),
    buckets=_LIFE_BUCKETS_S,
    registry=REGISTRY,
)
DESTRUCTION_DURATION: Final = Histogram(
    "packyard_deletion_destruction_seconds",
    "Time from the moment from which the bytes of a marked package may go to the last of them; no grace is part of it",
    ("cause",),
    buckets=_LIFE_BUCKETS_S,
    registry=REGISTRY,
)
ATTEMPTS: Final = Counter(
    "packyard_deletion_attempts",
    "Attempts by how they ended: succeeded, put_off, failed, released, lost or on_hold",
    ("outcome",),
    registry=REGISTRY,
)
FILES_DESTROYED: Final = Counter(
    "packyard_files_destroyed", "Package files whose object is gone", _OF_DELETIONS, registry=REGISTRY
)
BYTES_RECLAIMED: Final = Counter(
    "packyard_bytes_reclaimed", "Bytes of the objects that are gone", _OF_DELETIONS, registry=REGISTRY
)
LEASES_EXPIRED: Final = Counter(
    "packyard_leases_expired", "Lapsed claims that a worker took over from another", registry=REGISTRY
)

STORAGE_DELETE_DURATION: Final = Histogram(
    "packyard_storage_delete_duration_seconds",
    "Time that the object store took to remove a chunk of objects",
    ("outcome",),
    buckets=_STORAGE_BUCKETS_S,
    registry=REGISTRY,
)
STORAGE_PUT_DURATION: Final = Histogram(
    "packyard_storage_put_duration_seconds",
    "Time from the first byte of an upload until the object store has the object",
    ("outcome",),
    buckets=_STORAGE_BUCKETS_S,
    registry=REGISTRY,
)

UPLOADS_REFUSED: Final = Counter(
    "packyard_uploads_refused",
    "Uploads that rules for names or a quota refused, by the reason: protected, used_name or quota",
    ("reason",),
    registry=REGISTRY,
)
for _reason in ("protected", "used_name", "quota"):
    UPLOADS_REFUSED.labels(_reason)

ORPHANS_FOUND: Final = Counter(
    "packyard_orphans_found",
    "Findings of the scheduler's checks of the storage, by kind: orphaned objects, and all other differences",
    ("kind",),
    registry=REGISTRY,
)
for _kind in FindingKind:
    ORPHANS_FOUND.labels(_kind)

RETENTION_RUNS: Final = Counter(
    "packyard_retention_runs",
    "Runs of retention rules that ended, by how: finished, refused, lapsed or failed",
    ("outcome",),
    registry=REGISTRY,
)
for _outcome in ("finished", "refused", "lapsed", "failed"):
    RETENTION_RUNS.labels(_outcome)

OUTBOX_PUBLISHED: Final = Counter(
    "packyard_outbox_published", "Messages that the broker confirmed", ("kind",), registry=REGISTRY
)
OUTBOX_REFUSED: Final = Counter(
    "packyard_outbox_refused", "Messages that the broker did not take", ("kind",), registry=REGISTRY
)
WEBHOOK_REQUESTS: Final = Counter(
    "packyard_webhook_requests",
    "Requests to receivers of webhooks, by what came of them: delivered or failed",
    ("outcome",),
    registry=REGISTRY,
)
WEBHOOK_REQUEST_DURATION: Final = Histogram(
    "packyard_webhook_request_duration_seconds",
    "Time from resolving a receiver's name to the end of its answer",
    buckets=_HTTP_BUCKETS_S,
    registry=REGISTRY,
)
WEBHOOK_EVENTS_SKIPPED: Final = Counter(
    "packyard_webhook_events_skipped", "Events that a webhook did not take for three days", registry=REGISTRY
)
WEBHOOKS_DISABLED: Final = Counter(
    "packyard_webhooks_disabled", "Webhooks that were disabled, by the reason", ("reason",), registry=REGISTRY
)
DEAD_LETTERS: Final = Counter(
    "packyard_dead_letters", "Messages that were seen to arrive among the dead letters", registry=REGISTRY
)
CONSUMER_UP: Final = Gauge(
    "packyard_consumer_up", "Whether this worker takes from the queue", ("queue",), registry=REGISTRY
)
ACTIVE: Final = Gauge(
    "packyard_active", "1 in the process that works, 0 in one on standby", ("process",), registry=REGISTRY
)
LOOP_LAG: Final = Gauge(
    "packyard_event_loop_lag_seconds", "How late the event loop last was with what was due", registry=REGISTRY
)

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)


class ScrapedGauges(Collector):
    """Gauges that are read at each scrape; they are absent, and not zero, when there is nothing to report."""

    def __init__(self, figures: Callable[[], MetricFamilies]) -> None:
        """Ask *figures*, which must not wait for anything."""
        self._figures = figures

    def describe(self) -> MetricFamilies:
        """Return nothing, so that the figures are not asked for before a scrape."""
        return ()

    @override
    def collect(self) -> MetricFamilies:
        yield from self._figures()


class Timing:
    """How something went that is measured."""

    has_failed = False


@contextmanager
def timed(histogram: Histogram) -> Iterator[Timing]:
    """Observe how long the block takes; the one label is the outcome: ok, or failed if it raises or says so."""
    began, timing = time.perf_counter(), Timing()
    try:
        yield timing
    except BaseException:
        timing.has_failed = True
        raise
    finally:
        histogram.labels("failed" if timing.has_failed else "ok").observe(time.perf_counter() - began)


@contextmanager
def refusals_counted(reasons: Mapping[type[Exception], str]) -> Iterator[None]:
    """Count an upload that the block refuses, by the reason that its error means."""
    try:
        yield
    except tuple(reasons) as error:
        UPLOADS_REFUSED.labels(next(name for kind, name in reasons.items() if isinstance(error, kind))).inc()
        raise


@contextmanager
def exported(figures: Callable[[], MetricFamilies]) -> Iterator[None]:
    """Export *figures* as long as the block runs."""
    collector = ScrapedGauges(figures)
    REGISTRY.register(collector)
    try:
        yield
    finally:
        REGISTRY.unregister(collector)


@contextmanager
def active(process: str) -> Iterator[None]:
    """Mark this process as the active one as long as the block runs."""
    gauge = ACTIVE.labels(process)
    gauge.set(1)
    try:
        yield
    finally:
        gauge.set(0)


def gauges(
    name: str, meaning: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> GaugeMetricFamily:
    """Return a gauge that is read at each scrape, one value for each set of label values."""
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for names, value in values:
        family.add_metric(names, value)
    return family


def exposition() -> bytes:
    """Return everything in the text format of Prometheus."""
    return generate_latest(REGISTRY)

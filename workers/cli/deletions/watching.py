"""Watching deletions until all have ended: a bar on a terminal, lines elsewhere, and the outcome as the exit status."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, TypeAlias

import click
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text
from typing_extensions import override

from schemas.fields import Duration
from schemas.statuses import DeletionState
from service.context import open_context
from service.errors import StartError, first_line
from service.infra.postgres.database import Connection, Database, DatabaseUnavailableError
from service.infra.postgres.outages import one_line_for_outages
from service.refusals import NotFoundError
from workers.cli.deletions.snapshots import DeletionSnapshot
from workers.cli.options import command_settings, validated
from workers.runtime.signals import run_process, until_stopped

SOME_FAILED: Final = 1
STILL_RUNNING: Final = 3
"""Exit statuses: a deletion failed; not all had ended when the watching did."""

_READ_TIMEOUT_S: Final = 10
_PATIENCE: Final = timedelta(seconds=60)
_SHORTEST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 5.0
_SHARE: Final = 10
"""A pause is this many times as long as the query before it, so that watching costs the database little."""
_BETWEEN_LINES_S: Final = 5.0


ReadSnapshot: TypeAlias = Callable[[Connection], Awaitable[DeletionSnapshot]]


def watch_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options `is_watched` and `within`."""
    timeout = click.option(
        "--timeout",
        "within",
        callback=_read_timeout,
        help="Watch no longer than this, such as 90s or 2h; status 3 then.",
    )
    watched = click.option(
        "--watch",
        "is_watched",
        is_flag=True,
        is_eager=True,
        help="Show progress until all has ended; the exit status is 1 if a deletion failed, 3 if one had not ended.",
    )
    return watched(timeout(command))


def watch(read_snapshot: ReadSnapshot, *, within: timedelta | None, missing: str = "there is no such deletion") -> int:
    """Query repeatedly until all have ended, no longer than *within*; return the exit status.

    SIGINT and SIGTERM end it. A database that is away for a moment is waited for.

    Raises:
        StartError: there is nothing to watch, or the database stays away.
    """
    watching = Watching()
    try:
        run_process(lambda stop: _until_stopped(stop, watching, read_snapshot, within))
    except NotFoundError:
        raise StartError(missing) from None
    if not watching.has_ended:
        return STILL_RUNNING
    return SOME_FAILED if watching.has_failed else 0


def _read_timeout(ctx: click.Context, param: click.Parameter, value: str | None) -> timedelta | None:
    if value is None:
        return None
    if not ctx.params.get("is_watched"):
        raise click.UsageError("--timeout goes with --watch")
    within: timedelta = validated(Duration, value, name="--timeout")
    if not within:
        raise click.BadParameter("should be more than 0", ctx, param)
    return within


async def _until_stopped(
    stop: asyncio.Event, watching: "Watching", read_snapshot: ReadSnapshot, within: timedelta | None
) -> None:
    await until_stopped(stop, _watch(watching, read_snapshot, within))
    if stop.is_set() and not watching.has_ended:
        click.echo("stopped before the end: the deletions go on", err=True)


async def _watch(watching: "Watching", read_snapshot: ReadSnapshot, within: timedelta | None) -> None:
    settings = command_settings()
    with one_line_for_outages():
        async with open_context(settings, connections=1) as context:
            with watching.displayed():
                limit = asyncio.timeout(within.total_seconds() if within else None)
                try:
                    async with limit:
                        await follow(context.database, watching, read_snapshot)
                except TimeoutError:
                    if not limit.expired():
                        raise
                    watching.print_line(f"not ended after {within}: the deletions go on")


async def follow(
    database: Database, watching: "Watching", read_snapshot: ReadSnapshot, *, patience: timedelta = _PATIENCE
) -> None:
    """Query until all have ended, and wait for a database that is away, but no longer than *patience*.

    Raises:
        DatabaseUnavailableError: it stays away.
    """
    now = asyncio.get_running_loop().time
    away_since: float | None = None
    while not watching.has_ended:
        began = now()
        try:
            async with asyncio.timeout(_READ_TIMEOUT_S), database.connection() as connection:
                snapshot = await read_snapshot(connection)
        except DatabaseUnavailableError as error:
            if away_since is None:
                away_since = began
                waits = f"trying again for {patience.total_seconds():g} s"
                watching.print_line(f"the database is away, {waits}: {first_line(error)}")
            if now() - away_since > patience.total_seconds():
                raise
        else:
            if away_since is not None:
                watching.print_line("the database is back")
            away_since = None
            watching.show(snapshot, at=now())
        if not watching.has_ended:
            await asyncio.sleep(min(max(_SHORTEST_PAUSE_S, _SHARE * (now() - began)), _LONGEST_PAUSE_S))


class _TwoLines(Progress):
    """A bar, and below it what it is about: beside each other, they would leave no room for the bar."""

    @override
    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        for task in self.tasks:
            yield Text(task.description, no_wrap=True, overflow="ellipsis")


class Watching:
    """The last known state of deletions, and how it is shown on standard error."""

    def __init__(self) -> None:
        self._snapshot: DeletionSnapshot | None = None
        self._line_at = 0.0
        console = Console(stderr=True)
        self._bar = _TwoLines(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, unit="")

    @property
    def has_ended(self) -> bool:
        """Whether all were seen to have ended."""
        return self._snapshot is not None and self._snapshot.has_ended

    @property
    def has_failed(self) -> bool:
        """Whether one was seen to have failed."""
        return self._snapshot is not None and DeletionState.FAILED in self._snapshot.states

    @contextmanager
    def displayed(self) -> Generator[None]:
        """Show the bar as long as the watching goes on."""
        with self._bar:
            yield

    def show(self, snapshot: DeletionSnapshot, *, at: float) -> None:
        """Show what is seen now; as a line only where it is another, and not too many of them."""
        before, self._snapshot = self._snapshot, snapshot
        done, total, unit = snapshot.progress
        self._bar.update(self._task, completed=done, total=total, unit=unit, description=snapshot.sentence())
        if not self._bar.disable or snapshot == before:
            return
        is_turn = before is None or snapshot.has_ended or snapshot.states.keys() != before.states.keys()
        if is_turn or at - self._line_at >= _BETWEEN_LINES_S:
            self._line_at = at
            click.echo(snapshot.sentence(), err=True)

    def print_line(self, text: str) -> None:
        """Print a line that stays."""
        if self._bar.disable:
            click.echo(text, err=True)
        else:
            self._bar.console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)

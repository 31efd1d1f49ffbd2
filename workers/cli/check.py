"""`packyard check`: whether what is in storage is just what the database says."""

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import asdict
from typing import Final

import click
from pydantic_core import to_json
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from schemas.checks import Figures
from service.context import open_context
from service.infra.postgres.outages import one_line_for_outages
from service.logs import configure_logs
from service.storage_check.check import CheckPlan, StorageCheck
from service.storage_check.findings import Finding
from workers.cli.options import command_settings
from workers.cli.outputs import Output, output_option
from workers.cli.tables import Column, counted, print_table, written
from workers.runtime.signals import run_process, until_stopped

NOT_CLEAN: Final = 3
NOT_ENDED: Final = 4
"""Exit statuses: something is left that is wrong; the check was stopped before its end."""

_MOST_ROWS: Final = 1_000
_COLUMNS: Final = (
    Column("finding"),
    Column("key"),
    Column("file", rank=2, is_text=True),
    Column("detail", rank=1, is_text=True),
    Column("outcome", is_text=True),
)
_OUTPUTS: Final = (Output.TABLE, Output.WIDE, Output.JSON)


@click.command()
@click.option("--repair", is_flag=True, help="Take orphaned objects aside, put back what is missed, mend figures.")
@click.option("--force", is_flag=True, help="Repair even if most objects have no file.")
@click.option("--verify", is_flag=True, help="Read every object and compare checksums; goes on where it was stopped.")
@click.option("--anew", is_flag=True, help="Compare checksums from the start, wherever it was stopped.")
@output_option(*_OUTPUTS, json="Print JSON, one finding a line, and the figures in the last.")
@click.pass_context
def check(context: click.Context, *, repair: bool, force: bool, verify: bool, anew: bool, output: Output) -> None:
    """Compare storage and database, in both directions.

    Objects that no file refers to count when they are older than PACKYARD_ORPHAN_AGE. With --repair they go to
    quarantine/ in the same store. A later repair removes them after PACKYARD_QUARANTINE_RETENTION. Uploads and
    deletions under way are no findings, and their objects are not touched.

    The exit status is 0 when nothing is left that is wrong, and 3 when something is. It is 4 when the check was
    stopped, and 1 when it could not be made.
    """
    if force and not repair:
        raise click.UsageError("--force is only for --repair")
    if anew and not verify:
        raise click.UsageError("--anew is only for --verify")
    report = _Report(output)
    run_process(lambda stop: until_stopped(stop, _check(report, repair=repair, force=force, verify=verify, anew=anew)))
    report.finish()
    context.exit(report.status)


async def _check(report: "_Report", *, repair: bool, force: bool, verify: bool, anew: bool) -> None:
    settings = command_settings()
    configure_logs(settings.log_level, settings.log_format, process="check")
    plan = CheckPlan(
        orphan_age=settings.orphan_age,
        quarantine_retention=settings.quarantine_retention,
        repair=repair,
        force=force,
        verify=verify,
        verify_anew=anew,
    )
    with one_line_for_outages():
        async with open_context(settings, connections=3) as context:
            run = StorageCheck(context.database, context.store, plan)
            with report.displayed():
                async with run.alone(), aclosing(run.findings()) as pieces:
                    await report.follow(pieces, run)


class _Report:
    """Prints the findings: a line each as JSON; or a table in the end, of the first thousand."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._figures = Figures()
        self._rows: list[Sequence[object]] = []
        self._found = 0
        self._is_whole = False
        console = Console(stderr=True)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._line = self._bar.add_task("checking", total=None)

    @property
    def status(self) -> int:
        """The exit status."""
        if not self._is_whole:
            return NOT_ENDED
        return 0 if self._figures.is_clean else NOT_CLEAN

    @contextmanager
    def displayed(self) -> Generator[None]:
        """Show how far it is, on a terminal."""
        with self._bar:
            yield

    async def follow(self, pieces: AsyncGenerator[Sequence[Finding]], run: StorageCheck) -> None:
        """Take in the findings of a check until its end."""
        try:
            async for piece in pieces:
                for finding in piece:
                    self._add(finding)
                self._figures = run.figures
                self._bar.update(self._line, description=self._progress())
            self._is_whole = True
        finally:
            self._figures = run.figures

    def finish(self) -> None:
        """Print what is to be said in the end."""
        if self._output is Output.JSON:
            summary = {"figures": self._figures.model_dump(), "clean": self._figures.is_clean, "ended": self._is_whole}
            click.echo(to_json(summary))
            return
        if self._rows:
            print_table(_COLUMNS, self._rows, nothing="", is_wide=self._output is Output.WIDE)
        if (more := self._found - len(self._rows)) > 0:
            click.echo(f"and {counted(more, 'finding')} more: --json prints all")
        click.echo(self._sentence())

    def _add(self, finding: Finding) -> None:
        self._found += 1
        if self._output is Output.JSON:
            click.echo(to_json(_object_of(finding)))
        elif len(self._rows) < _MOST_ROWS:
            self._rows.append(_cells(finding))

    def _progress(self) -> str:
        figures = self._figures
        verified = f", {figures.verified:,} verified" if figures.verified else ""
        return f"{figures.objects:,} objects, {figures.files:,} files{verified}, {counted(self._found, 'finding')}"

    def _sentence(self) -> str:
        figures = self._figures.model_dump()
        totals = {name: figures.pop(name) for name in ("objects", "bytes", "files")}
        parts = [f"{count:,} {name}" for name, count in totals.items()]
        parts += [f"{count:,} {name.replace('_', ' ')}" for name, count in figures.items() if count]
        ending = "" if self._is_whole else " (stopped before the end)"
        verdict = "clean" if self._figures.is_clean else "not clean"
        return f"{verdict}{ending}: {', '.join(parts)}"


def _cells(finding: Finding) -> list[object]:
    file = finding.file
    name = (
        f"project {file.project_id}, {file.package_type} {file.package}: {file.file_name} ({file.status})"
        if file
        else ""
    )
    if finding.project_id is not None:
        name = f"project {finding.project_id}"
    outcome = f"{finding.outcome}: {finding.reason}" if finding.reason else finding.outcome.value
    return [finding.kind.value, finding.key, name, finding.detail, outcome]


def _object_of(finding: Finding) -> dict[str, object]:
    values = {name: value for name, value in asdict(finding).items() if value is not None}
    if finding.key is not None:
        values["key"] = written(finding.key)  # names that are no text are shown, not printed
    if finding.file is not None:
        values["file"] = {**values["file"], "sha256": finding.file.sha256.hex()}
    return values

"""`packyard import`: packages from a file of lines."""

import os
import sys
from collections.abc import Generator
from contextlib import aclosing, contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from service.context import open_context
from service.errors import StartError
from service.importing.imports import BatchReport
from service.importing.imports import import_packages as import_lines
from service.importing.lines import NotNdjsonError, read_ndjson
from service.importing.local_files import Folder
from service.infra.postgres.outages import one_line_for_outages
from service.logs import configure_logs
from workers.cli.options import command_settings
from workers.runtime.signals import run_process, until_stopped


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--files-from", type=click.Path(path_type=Path), help="The folder that the paths of files begin at.")
@click.option(
    "--max-errors",
    type=click.IntRange(min=0),
    help="Stop once more lines than this are refused; 0 stops at the first.",
)
@click.option("--announce", is_flag=True, help="Give subscribers a package.published for each package.")
@click.pass_context
def import_packages(
    context: click.Context, *, file: Path, files_from: Path | None, max_errors: int | None, announce: bool
) -> None:
    """Import packages from FILE, one JSON object a line; `-` reads standard input.

    Lines that cannot go in are reported by number and reason, and the others go in; the exit status is 1
    if any could not. Imported packages stay when the command is stopped or fails. A file that does not begin
    with a JSON object on a line of its own is refused as a whole. Names of generic packages and their files follow the
    same rules as in uploads. Subscribers hear nothing of an import unless --announce is given.
    """
    folder = Folder(files_from) if files_from else None
    with _opened(file) as descriptor:
        progress = _Progress(descriptor, "standard input" if str(file) == "-" else str(file), max_errors=max_errors)
        try:
            run_process(lambda stop: until_stopped(stop, _import(descriptor, folder, progress, announces=announce)))
        except NotNdjsonError as error:
            raise StartError(f"{progress.name}: {error}") from None
        except BaseException:
            click.echo(progress.summary)
            raise
        click.echo(progress.summary)
    if progress.is_partial:
        context.exit(1)


@contextmanager
def _opened(file: Path) -> Generator[int]:
    if str(file) == "-":
        yield sys.stdin.fileno()
        return
    try:
        stream = file.open("rb", buffering=0)
    except OSError as error:
        raise StartError(f"{file}: {(error.strerror or str(error)).lower()}") from error
    with stream:
        yield stream.fileno()


async def _import(descriptor: int, folder: Folder | None, progress: "_Progress", *, announces: bool) -> None:
    settings = command_settings()
    configure_logs(settings.log_level, settings.log_format, process="import")
    with one_line_for_outages():
        async with open_context(settings, connections=2) as context:
            reports = import_lines(
                context.database,
                context.store,
                lines=read_ndjson(descriptor),
                folder=folder,
                max_errors=progress.max_errors,
                announces=announces,
            )
            async with aclosing(reports):
                with progress.displayed():
                    async for report in reports:
                        progress.add(report)
    progress.is_whole = not progress.has_too_many_errors


class _Progress:
    """The import so far, and how it is shown: refusals as lines, the rest as a bar on a terminal."""

    def __init__(self, descriptor: int, name: str, *, max_errors: int | None) -> None:
        self.is_whole = False
        self.name = name
        self.max_errors = max_errors
        self._packages = self._files = self._refused = 0
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("bytes"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("importing", total=os.fstat(descriptor).st_size or None)

    @property
    def is_partial(self) -> bool:
        """True when any line of the stream did not go in."""
        return self._refused > 0 or not self.is_whole

    @property
    def has_too_many_errors(self) -> bool:
        """True when more lines were refused than the user puts up with."""
        return self.max_errors is not None and self._refused > self.max_errors

    @property
    def summary(self) -> str:
        """The line that a user gets in the end."""
        reason = f": more than {self.max_errors:,} refused" if self.has_too_many_errors else ""
        ending = "" if self.is_whole else f" (stopped before the end{reason})"
        return f"imported {self._packages} packages, {self._files} files; {self._refused} lines refused{ending}"

    @contextmanager
    def displayed(self) -> Generator[None]:
        """Show the bar as long as the import goes on."""
        with self._bar:
            yield

    def add(self, report: BatchReport) -> None:
        """Count a batch and report the lines that were refused."""
        self._packages += report.packages
        self._files += report.files
        self._refused += len(report.refusals)
        for refusal in report.refusals:
            self._print(f"{self.name}, line {refusal.line}: {refusal.reason}")
        self._bar.update(self._task, completed=report.end, description=f"imported {self._packages} packages")

    def _print(self, text: str) -> None:
        if self._bar.disable:
            click.echo(text, err=True)
        else:
            self._bar.console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)

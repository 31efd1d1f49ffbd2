"""`packyard directory`: who may do what."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from service.context import open_context
from service.directory import DirectoryFileError, WrittenDirectory, apply_directory, read_directory
from service.infra.directory_rows import Counts
from service.infra.outages import one_line_for_outages
from workers.cli.options import command_settings

_MOST_PROBLEMS: Final = 20
_REVOKED: Final = frozenset({"access_tokens", "deploy_tokens", "job_tokens"})


@click.group()
def directory() -> None:
    """Users, groups, projects, memberships and tokens."""


@directory.command("apply")
@click.argument("file", type=click.Path(path_type=Path))
def apply(file: Path) -> None:
    """Make the directory say what FILE (YAML) says: all of it, or nothing when anything in it is wrong.

    A user is exactly what FILE says, tokens included. Of a group or project, a key's list is the whole of it,
    and a key that is left out stays as it was, as does everything that FILE does not name. An entry with a known id
    renames or moves: what counts as updated then includes all that is below a group.
    """
    try:
        counts = asyncio.run(_apply(read_directory(file)))
    except DirectoryFileError as error:
        _report(file, error)
    else:
        for kind, count in counts.items():
            click.echo(_summary(kind, count))


async def _apply(written: WrittenDirectory) -> Mapping[str, Counts]:
    settings = command_settings()
    with one_line_for_outages():
        async with open_context(settings, connections=1) as context:
            return await apply_directory(context.database, written)


def _report(file: Path, error: DirectoryFileError) -> None:
    for line, problem in error.problems[:_MOST_PROBLEMS]:
        click.echo(f"{file}, line {line}: {problem.sentence()}", err=True)
    if (more := len(error.problems) - _MOST_PROBLEMS) > 0:
        click.echo(f"{file}: and {more} more", err=True)
    click.get_current_context().exit(1)


def _summary(kind: str, counts: Counts) -> str:
    gone = "revoked" if kind in _REVOKED else "removed"
    return (
        f"{kind.replace('_', ' ')}: {counts.created} created, {counts.updated} updated, "
        f"{counts.unchanged} unchanged" + (f", {counts.removed} {gone}" if counts.removed else "")
    )

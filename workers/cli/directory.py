"""`packyard directory`: who may do what."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

import click

from schemas.files.directory_checks import reserved_names
from service import event_loop
from service.context import open_catalogue
from service.directory_file.applying import (
    DirectoryFileError,
    WrittenDirectory,
    apply_directory,
    parse_directory,
    read_directory,
)
from service.directory_file.changes import Change
from service.directory_file.rows import Counts
from service.directory_file.webhooks import WebhookRules
from service.errors import PackyardError, StartError
from service.infra.egress.addresses import AllowedAddresses
from service.infra.postgres.outages import one_line_for_outages
from service.webhooks.secrets import SecretBox
from workers.cli.options import command_settings

_MOST_PROBLEMS: Final = 20
_MOST_PRINTED: Final = 100
_REVOKED: Final = frozenset({"access_tokens", "deploy_tokens", "job_tokens"})
_STANDARD_INPUT: Final = Path("-")


@click.group()
def directory() -> None:
    """Users, groups, projects, memberships and tokens."""


@directory.command("apply")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Print what would change, a line each, and change nothing.")
@click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Apply FILE even if no active admin with a token is left.")
def apply(file: Path, *, dry_run: bool, is_sure: bool, force: bool) -> None:
    """Make the directory say what FILE (YAML) says.

    If anything in FILE is wrong, nothing is changed.

    A user is exactly what FILE says, tokens included. A list under a key of a group or project is complete.
    A key that is left out keeps its value, and everything that FILE does not name stays as it was. An entry with a
    known id renames or moves; everything below a group then counts as updated, too.

    Changes that FILE makes by removing, renaming, revoking or putting on hold, and rights that it takes away, are
    shown first. You are asked at a terminal; elsewhere such a FILE needs --yes. FILE may be - for standard input, and
    then nobody is asked.
    """
    try:
        written = _read(file)
        for name in reserved_names(written.file):
            click.echo(f"warning: {name} is a reserved name: the API serves it, and no page shows it", err=True)
        if dry_run:
            _print(_preview(written) or ["nothing would change"])
            return
        can_ask = file != _STANDARD_INPUT and sys.stdin.isatty()
        counts = _apply_asking(written, _Review(is_sure=is_sure, force=force), can_ask=can_ask)
    except DirectoryFileError as error:
        _report(file, error)
    else:
        for kind, count in counts.items():
            click.echo(_summary(kind, count))


class _ReviewedError(PackyardError):
    """The changes were not agreed to, so that none is made."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self.changes = changes
        super().__init__("the changes were not agreed to")


class _Review:
    """Agrees to the changes that nobody has to be asked about, and to those that were shown before."""

    def __init__(self, *, is_sure: bool, force: bool) -> None:
        self._is_sure = is_sure
        self._force = force
        self.reviewed: Sequence[Change] = ()

    def __call__(self, changes: Sequence[Change]) -> None:
        """Raise if somebody has to agree to the changes first; they are rolled back then."""
        if not self._force and any(change.needs_force for change in changes):
            raise StartError("the file leaves no active admin with a token: nothing is changed without --force")
        if self._is_sure or not any(change.is_asked for change in changes):
            return
        if list(changes) != list(self.reviewed):
            raise _ReviewedError(changes)


def _apply_asking(written: WrittenDirectory, review: _Review, *, can_ask: bool) -> Mapping[str, Counts]:
    """Apply the file; ask again if the changes are no more those that were shown."""
    while True:
        try:
            return event_loop.run(_apply(written, review))
        except _ReviewedError as error:
            _print([str(change) for change in error.changes[:_MOST_PRINTED]], err=True)
            if (more := len(error.changes) - _MOST_PRINTED) > 0:
                click.echo(f"and {more:,} more, which --dry-run prints", err=True)
            if not can_ask:
                raise StartError(
                    "nothing is changed: nobody can be asked here, for standard input is no terminal or has the file; "
                    "give --yes, or --dry-run"
                ) from None
            click.confirm("Apply these changes?", abort=True, err=True)
            review.reviewed = error.changes


def _preview(written: WrittenDirectory) -> list[str]:
    def refuse(changes: Sequence[Change]) -> NoReturn:
        raise _ReviewedError(changes)

    try:
        event_loop.run(_apply(written, refuse))
    except _ReviewedError as error:
        return [str(change) for change in error.changes]
    raise AssertionError("a preview is rolled back")


async def _apply(written: WrittenDirectory, review: Callable[[Sequence[Change]], None]) -> Mapping[str, Counts]:
    settings = command_settings({"database_url"})
    rules = WebhookRules(SecretBox(settings.secret_keys), AllowedAddresses(settings.webhook_allowed_networks))
    with one_line_for_outages():
        async with open_catalogue(settings, connections=1) as database:
            return await apply_directory(database, written, review=review, webhooks=rules)


def _read(file: Path) -> WrittenDirectory:
    if file == _STANDARD_INPUT:
        return parse_directory(sys.stdin.buffer.read(), name="standard input")
    return read_directory(file)


def _print(lines: Sequence[str], *, err: bool = False) -> None:
    for line in lines:
        click.echo(line, err=err)


def _report(file: Path, error: DirectoryFileError) -> None:
    name = "standard input" if file == _STANDARD_INPUT else file
    for line, problem in error.problems[:_MOST_PROBLEMS]:
        click.echo(f"{name}, line {line}: {problem.sentence()}", err=True)
    if (more := len(error.problems) - _MOST_PROBLEMS) > 0:
        click.echo(f"{name}: and {more} more", err=True)
    click.get_current_context().exit(1)


def _summary(kind: str, counts: Counts) -> str:
    past_tense = "revoked" if kind in _REVOKED else "removed"
    return (
        f"{kind.replace('_', ' ')}: {counts.created} created, {counts.updated} updated, "
        f"{counts.unchanged} unchanged" + (f", {counts.removed} {past_tense}" if counts.removed else "")
    )

"""`packyard deletions bulk-delete`: many packages, planned, confirmed, and deleted as planned."""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, NoReturn
from urllib.parse import quote
from uuid import UUID

import click

from schemas.http.bulk import MOST_PACKAGES, BulkDelete, GroupBulkDelete, GroupPackageFilter
from schemas.names import AccessLevel, Cause, Credential, Lane, PackageType
from schemas.statuses import DISPLAYABLE
from service.access import access
from service.access.callers import OPERATOR
from service.context import Context
from service.deletions import bulk
from service.deletions.bulk import BulkPlan, Wanted
from service.deletions.deletion import Origin
from service.errors import StartError
from service.ids import new_id
from service.infra.postgres.database import Connection
from service.infra.postgres.outages import one_line_for_outages
from workers.cli.deletions.batches import show_batch
from workers.cli.deletions.plans import print_plan, print_sums, print_tables
from workers.cli.deletions.watching import SOME_FAILED, watch_options
from workers.cli.options import TEXT, command_settings, one_of, validated
from workers.cli.outputs import USUAL, Output, output_option, short_option
from workers.cli.run_use_case import find_group, find_project, run_use_case
from workers.cli.tables import counted

_KINDS: Final[Mapping[str, click.ParamType[Any]]] = {
    "package_type": one_of(PackageType),
    "status": one_of(sorted(DISPLAYABLE)),
    "keep_latest_per_name": click.INT,
}
_OUTPUTS: Final = (*USUAL, Output.NDJSON)
_OF_BATCH: Final = {Output.NDJSON: Output.JSON}
"""How a batch is printed, where not as its packages are."""


def _filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each condition that the body of the API's call may have."""
    for name, field in reversed(GroupPackageFilter.model_fields.items()):
        is_flag = field.annotation is bool
        kind = None if is_flag else _KINDS.get(name, TEXT)
        option = click.option(f"--{name}".replace("_", "-"), is_flag=is_flag, type=kind, help=field.description)
        command = option(command)
    return command


@click.command("bulk-delete")
@click.argument("ids", metavar="[ID]...", nargs=-1, type=click.IntRange(1, 2**63 - 1))
@click.option("--project", type=TEXT, help="Packages of this project: a path or number.")
@click.option("--group", type=TEXT, help="Packages of this group's projects and those of its subgroups.")
@_filter_options
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@click.option(
    "--expected-count",
    type=click.IntRange(0, MOST_PACKAGES),
    help="Refuse unless exactly this many packages would be deleted, as the dry run shows them.",
)
@click.option("--reason", type=TEXT, help="The reason; kept with each deletion and published to subscribers.")
@click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask.")
@watch_options
@output_option(*_OUTPUTS, json="Print one JSON object, as the API answers.", name="the ids of packages that go")
@short_option(
    Output.NDJSON,
    "Print every package, one JSON object a line. Standard error has the batch, and how many more match.",
)
def bulk_delete(
    *,
    ids: tuple[int, ...],
    project: str | None,
    group: str | None,
    dry_run: bool,
    is_sure: bool,
    is_watched: bool,
    within: timedelta | None,
    output: Output,
    **words: Any,
) -> None:
    """Delete many packages of a project or group.

    Give the IDs of packages, or conditions: packages that meet all of them go. At most 10,000 go at a time, the oldest
    first. On a terminal you are shown what would go, and asked. The exit status is 1 if a package was refused.

    The command line acts as the operator: it needs no token or role, and protection rules do not apply; holds do.
    """
    request = _read(ids, words, project=project, group=group)
    if dry_run:
        _preview(request, output, is_watched=is_watched)
    if not is_sure:
        request = _confirmed(request)
    batch_id = new_id()
    plan = run_use_case(lambda context: _delete(context, request, batch_id))
    print_plan(plan, output, request.address, batch_id=batch_id, is_known=not is_sure)
    status = SOME_FAILED if plan.refused else 0
    if is_watched and plan.accepted:
        status = show_batch(batch_id, is_watched=True, within=within, output=_OF_BATCH.get(output, output)) or status
    click.get_current_context().exit(status)


def _preview(request: "_Request", output: Output, *, is_watched: bool) -> NoReturn:
    if is_watched:
        raise click.UsageError("--watch cannot go with --dry-run: there is nothing to watch")
    plan = _plan(request)
    print_plan(plan, output, request.address, batch_id=None)
    click.get_current_context().exit(SOME_FAILED if plan.refused else 0)


@dataclass(frozen=True, slots=True)
class _Request:
    """The packages to delete, and where they are: in a project or below a group."""

    body: BulkDelete
    project: str | None
    group: str | None

    @property
    def address(self) -> str:
        """Where the API has the project or group."""
        kind, reference = ("projects", self.project) if self.group is None else ("groups", self.group)
        base = str(command_settings().external_url or "").rstrip("/")
        return f"{base}/api/v4/{kind}/{quote(reference or '', safe='')}"

    async def wanted(self, connection: Connection) -> Wanted:
        """Return what the planner takes; the operator may what an admin may."""
        what = self.body.filter or self.body.ids or ()
        return Wanted(what, await self._levels(connection), self.body.expected_count)

    async def _levels(self, connection: Connection) -> Mapping[int, AccessLevel]:
        if self.group is not None:
            found, what = await find_group(connection, self.group), self.body.filter
            exclude = isinstance(what, GroupPackageFilter) and what.exclude_subgroups
            return await access.project_levels(connection, OPERATOR, found, exclude_subgroups=exclude)
        place = await find_project(connection, self.project or "")
        if place.is_moved:
            raise StartError(f"the project {self.project} is {place.path} now")
        if not place.packages_enabled:
            raise StartError(f"packages are switched off in {place.path}")
        return {place.id: AccessLevel.ADMIN}


def _read(ids: Sequence[int], words: dict[str, Any], *, project: str | None, group: str | None) -> _Request:
    if (project is None) == (group is None):
        raise click.UsageError("give either --project or --group")
    conditions = {name: words.pop(name) for name in GroupPackageFilter.model_fields}
    chosen = {name: value for name, value in conditions.items() if value is not None and value is not False}
    if bool(ids) == bool(chosen):
        raise click.UsageError("give either the IDs of packages or conditions such as --package-name")
    if project is not None and "exclude_subgroups" in chosen:
        raise click.UsageError("--exclude-subgroups goes with --group")
    distinct = tuple(dict.fromkeys(ids))
    if len(distinct) > MOST_PACKAGES:
        raise click.UsageError(f"at most {MOST_PACKAGES:,} packages can be deleted at a time")
    kind = BulkDelete if group is None else GroupBulkDelete
    what = {"ids": distinct} if ids else {"filter": chosen}
    return _Request(validated(kind, {**what, **words}, name="the filter"), project, group)


def _plan(request: _Request) -> BulkPlan:
    async def plan(context: Context) -> BulkPlan:
        async with context.database.connection() as connection:
            wanted = await request.wanted(connection)
        return await bulk.plan_deletion(context.deletions, wanted)

    return run_use_case(plan)


def _confirmed(request: _Request) -> _Request:
    """Show what would go and ask; return the wish for just that many packages."""
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked, for standard input is no terminal: give --yes, or --dry-run")
    plan = _plan(request)
    print_tables(plan, err=True)
    print_sums(plan, batch_id=None, err=True)
    if plan.accepted:
        click.confirm(f"Delete {counted(len(plan.accepted), 'package')}?", abort=True, err=True)
    return replace(request, body=request.body.model_copy(update={"expected_count": len(plan.accepted)}))


async def _delete(context: Context, request: _Request, batch_id: UUID) -> BulkPlan:
    async with context.database.connection() as connection:
        wanted = await request.wanted(connection)
    origin = Origin(
        requested_by=None,
        requested_level=AccessLevel.ADMIN,
        credential=Credential.COMMAND_LINE,
        cause=Cause.BULK,
        lane=Lane.BULK,
        reason=request.body.reason,
        batch_id=batch_id,
    )
    hint = f"`packyard deletions show --batch {batch_id}` reports whether they were accepted"
    try:
        with one_line_for_outages():
            return await bulk.delete_packages(context.deletions, origin, wanted)
    except StartError as error:
        raise StartError(f"{error}; {hint}") from error
    except asyncio.CancelledError:
        # SIGTERM or Ctrl-C, perhaps while the database commits.
        click.echo(f"stopped; {hint}", err=True)
        raise

"""Shared by the commands about deletions: who acts, where, and how one use case is carried out."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import click

from schemas.names import Credential
from service.access import access
from service.access.callers import OPERATOR
from service.access.rows import Group, Project
from service.context import Context, open_context
from service.deletions.undoing.acts import Actor
from service.errors import StartError
from service.infra.postgres.database import Connection
from service.infra.postgres.outages import one_line_for_outages
from service.refusals import DeletionHeldError, GroupNotFoundError, NotFoundError, ProjectNotFoundError, RefusedError
from workers.cli.options import command_settings
from workers.cli.tables import written
from workers.runtime.signals import run_process, until_stopped

ACTOR: Final = Actor(user_id=None, credential=Credential.COMMAND_LINE)

_Result = TypeVar("_Result")


def run_use_case(
    use_case: Callable[[Context], Awaitable[_Result]], *, missing: str = "there is no such deletion"
) -> _Result:
    """Carry out a use case with the settings of the running command; *missing* says what a 404 means here.

    It has one connection to the database. SIGTERM and Ctrl-C cancel it; a second one ends the process immediately.

    Raises:
        StartError: it is refused, or the database or the store is away.
        click.Abort: it was stopped before its end.
    """
    settings = command_settings()
    results: list[_Result] = []

    async def run() -> None:
        with one_line_for_outages():
            async with open_context(settings, connections=1) as context:
                results.append(await use_case(context))

    try:
        run_process(lambda stop: until_stopped(stop, run()))
    except NotFoundError:
        raise StartError(missing) from None
    except DeletionHeldError as error:
        raise StartError(f"deletions are on hold: {written(error)}") from None
    except RefusedError as error:
        raise StartError(str(error) or error.text) from None
    if not results:
        raise click.Abort
    return results[0]


async def find_project(connection: Connection, reference: str) -> Project:
    """Return the project with that number or full path, or with one that it had before.

    Raises:
        StartError: there is none.
    """
    try:
        return await access.visible_project(connection, OPERATOR, reference)
    except ProjectNotFoundError:
        raise StartError(f"there is no project {reference}") from None


async def find_group(connection: Connection, reference: str) -> Group:
    """Return the group with that number or full path.

    Raises:
        StartError: there is none.
    """
    try:
        return await access.visible_group(connection, OPERATOR, reference)
    except GroupNotFoundError:
        raise StartError(f"there is no group {reference}") from None

"""The places that webhooks belong to, and who may see and change them there."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeAlias

from aiohttp import web

from schemas.names import AccessLevel
from service.access import access
from service.http import group_visit, project_visit, read_path
from service.http.places import RoutePlace, of_group, of_project
from service.infra.postgres.database import Connection
from service.refusals import ForbiddenError, UnauthorizedError
from service.webhooks import managing
from service.webhooks.rows import Webhook, WebhookPlace

HookVisit: TypeAlias = Callable[[web.Request], AbstractAsyncContextManager[tuple[Connection, WebhookPlace]]]
"""Gives a connection and the place of the request's path to a caller who may see webhooks there."""


@asynccontextmanager
async def _in_project(request: web.Request) -> AsyncGenerator[tuple[Connection, WebhookPlace]]:
    async with project_visit(request, credential_required=True) as (connection, found):
        if found.level < AccessLevel.MAINTAINER:
            raise ForbiddenError
        yield connection, WebhookPlace(project_id=found.project.id)


@asynccontextmanager
async def _in_group(request: web.Request) -> AsyncGenerator[tuple[Connection, WebhookPlace]]:
    async with group_visit(request) as (connection, caller, group):
        if caller.credential is None:
            raise UnauthorizedError
        if access.level_in(caller, group) < AccessLevel.OWNER:
            raise ForbiddenError
        yield connection, WebhookPlace(group_id=group.id)


HOOK_PLACES: Final[tuple[RoutePlace[HookVisit], ...]] = (
    of_project("/api/v4/projects/{id}/hooks", _in_project, refusals=(UnauthorizedError,)),
    of_group("/api/v4/groups/{id}/hooks", _in_group, refusals=(UnauthorizedError,)),
)
ONE_HOOK: Final = "/{hook_id}"


async def asked_for(request: web.Request, connection: Connection, place: WebhookPlace) -> Webhook:
    """Return the webhook of the request's path.

    Raises:
        NotFoundError: the place has no such webhook.
    """
    (hook_id,) = read_path(request, "hook_id")
    return await managing.find(connection, place, hook_id)

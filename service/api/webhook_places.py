"""The places that webhooks belong to, who may see and change them there, and what their routes share."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeAlias

from aiohttp import web

from schemas.names import AccessLevel
from service.access import access
from service.http import read_path
from service.http.visits import GROUP_REFUSALS, PROJECT_REFUSALS, group_visit, project_visit
from service.infra.postgres.database import Connection
from service.refusals import ForbiddenError, MovedProjectWriteError, UnauthorizedError
from service.webhooks import managing
from service.webhooks.rows import Webhook, WebhookPlace

HOOKS_OF_PROJECT: Final = "/api/v4/projects/{id}/hooks"
HOOKS_OF_GROUP: Final = "/api/v4/groups/{id}/hooks"
ONE_HOOK: Final = "/{hook_id}"
IN_PROJECT: Final = (*PROJECT_REFUSALS, UnauthorizedError)
TO_PROJECT: Final = (*IN_PROJECT, MovedProjectWriteError)
IN_GROUP: Final = (*GROUP_REFUSALS, UnauthorizedError)

HookVisit: TypeAlias = Callable[[web.Request], AbstractAsyncContextManager[tuple[Connection, WebhookPlace]]]
"""Gives a connection and the place of the request's path to a caller who may see webhooks there."""

_LEVEL_IN_PROJECT: Final = AccessLevel.MAINTAINER
_LEVEL_IN_GROUP: Final = AccessLevel.OWNER


@asynccontextmanager
async def in_project(request: web.Request) -> AsyncGenerator[tuple[Connection, WebhookPlace]]:
    """Give a connection and the project to its maintainers.

    Raises:
        RefusedError: the caller is none, or cannot read the project.
    """
    async with project_visit(request, credential_required=True) as (connection, found):
        if found.level < _LEVEL_IN_PROJECT:
            raise ForbiddenError
        yield connection, WebhookPlace(project_id=found.project.id)


@asynccontextmanager
async def in_group(request: web.Request) -> AsyncGenerator[tuple[Connection, WebhookPlace]]:
    """Give a connection and the group to its owners.

    Raises:
        RefusedError: the caller is none, or cannot read the group.
    """
    async with group_visit(request) as (connection, caller, group):
        if caller.credential is None:
            raise UnauthorizedError
        if access.level_in(caller, group) < _LEVEL_IN_GROUP:
            raise ForbiddenError
        yield connection, WebhookPlace(group_id=group.id)


async def asked_for(request: web.Request, connection: Connection, place: WebhookPlace) -> Webhook:
    """Return the webhook of the request's path.

    Raises:
        NotFoundError: the place has no such webhook.
    """
    (hook_id,) = read_path(request, "hook_id")
    return await managing.find(connection, place, hook_id)

"""Webhooks of projects and groups, under the addresses of GitLab's hooks."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeAlias

from aiohttp import web

from schemas.http.parameters import Paging
from schemas.http.webhooks import DeliveryListing, WebhookDeliveryResource, WebhookResource
from schemas.names import AccessLevel
from schemas.webhooks import WebhookChange, WebhookSettings
from service.access import access
from service.api.entities.webhooks import delivery_entity, webhook_entity
from service.http import CONTEXT, PERSONAL, Routes, one, page_of, read_body, read_path, read_query, reply, reply_page
from service.http.operations import MOVED, Answer, Media
from service.http.parameters import read_request
from service.http.replies import no_content
from service.http.visits import GROUP_REFUSALS, PROJECT_REFUSALS, group_visit, project_visit
from service.infra.egress.addresses import AllowedAddresses
from service.infra.postgres.database import Connection
from service.infra.postgres.pages import COUNT_LIMIT, Slice
from service.refusals import (
    ConflictError,
    ForbiddenError,
    MovedProjectWriteError,
    NotFoundError,
    SecretsNotKeptError,
    UnauthorizedError,
    WebhookUrlRefusedError,
)
from service.webhooks import deliveries, managing, rows, secret_rows
from service.webhooks.deliveries import DeliveryState
from service.webhooks.rows import Webhook, WebhookPlace
from service.webhooks.secrets import SecretBox

routes = Routes("Webhooks", carriers=PERSONAL)

LEVEL_IN_PROJECT: Final = AccessLevel.MAINTAINER
LEVEL_IN_GROUP: Final = AccessLevel.OWNER

_Visit: TypeAlias = Callable[[web.Request], AbstractAsyncContextManager[tuple[Connection, WebhookPlace]]]

_OF_PROJECT: Final = "/api/v4/projects/{id}/hooks"
_OF_GROUP: Final = "/api/v4/groups/{id}/hooks"
_ONE: Final = "/{hook_id}"
_IN_PROJECT: Final = (*PROJECT_REFUSALS, UnauthorizedError)
_TO_PROJECT: Final = (*_IN_PROJECT, MovedProjectWriteError)
_IN_GROUP: Final = (*GROUP_REFUSALS, UnauthorizedError)
_WRITING: Final = (
    WebhookUrlRefusedError("leads to an address that is not allowed"),
    ConflictError("another webhook has that name"),
    SecretsNotKeptError,
)
_GONE: Final = Answer(204, media=Media.EMPTY)


@routes.get(_OF_PROJECT, query=Paging, answers=(page_of(WebhookResource), MOVED), refusals=_IN_PROJECT)
async def list_project_hooks(request: web.Request) -> web.Response:
    """List a project's webhooks."""
    return await _list(request, _project)


@routes.get(_OF_GROUP, query=Paging, answers=page_of(WebhookResource), refusals=_IN_GROUP)
async def list_group_hooks(request: web.Request) -> web.Response:
    """List a group's webhooks, which get the events of all projects below the group."""
    return await _list(request, _group)


@routes.post(
    _OF_PROJECT, body=WebhookSettings, answers=one(WebhookResource, status=201), refusals=(*_TO_PROJECT, *_WRITING)
)
async def add_project_hook(request: web.Request) -> web.Response:
    """Add a webhook to a project. It begins with the next event.

    Without a `signing_token`, the answer has one that was made for it, and no later answer shows it again.
    """
    return await _add(request, _project)


@routes.post(
    _OF_GROUP, body=WebhookSettings, answers=one(WebhookResource, status=201), refusals=(*_IN_GROUP, *_WRITING)
)
async def add_group_hook(request: web.Request) -> web.Response:
    """Add a webhook to a group. It begins with the next event.

    Without a `signing_token`, the answer has one that was made for it, and no later answer shows it again.
    """
    return await _add(request, _group)


@routes.get(_OF_PROJECT + _ONE, answers=(one(WebhookResource), MOVED), refusals=(*_IN_PROJECT, NotFoundError))
async def show_project_hook(request: web.Request) -> web.Response:
    """Show a project's webhook."""
    return await _show(request, _project)


@routes.get(_OF_GROUP + _ONE, answers=one(WebhookResource), refusals=(*_IN_GROUP, NotFoundError))
async def show_group_hook(request: web.Request) -> web.Response:
    """Show a group's webhook."""
    return await _show(request, _group)


@routes.put(
    _OF_PROJECT + _ONE,
    body=WebhookChange,
    answers=one(WebhookResource),
    refusals=(*_TO_PROJECT, NotFoundError, *_WRITING),
)
async def change_project_hook(request: web.Request) -> web.Response:
    """Change a project's webhook. Keys that are left out stay as they are."""
    return await _change(request, _project)


@routes.put(
    _OF_GROUP + _ONE, body=WebhookChange, answers=one(WebhookResource), refusals=(*_IN_GROUP, NotFoundError, *_WRITING)
)
async def change_group_hook(request: web.Request) -> web.Response:
    """Change a group's webhook. Keys that are left out stay as they are."""
    return await _change(request, _group)


@routes.delete(_OF_PROJECT + _ONE, answers=_GONE, refusals=(*_TO_PROJECT, NotFoundError))
async def delete_project_hook(request: web.Request) -> web.Response:
    """Delete a project's webhook and its deliveries."""
    return await _delete(request, _project)


@routes.delete(_OF_GROUP + _ONE, answers=_GONE, refusals=(*_IN_GROUP, NotFoundError))
async def delete_group_hook(request: web.Request) -> web.Response:
    """Delete a group's webhook and its deliveries."""
    return await _delete(request, _group)


@routes.get(
    _OF_PROJECT + _ONE + "/events",
    query=DeliveryListing,
    answers=(page_of(WebhookDeliveryResource), MOVED),
    refusals=(*_IN_PROJECT, NotFoundError),
)
async def list_project_hook_deliveries(request: web.Request) -> web.Response:
    """List the deliveries of a project's webhook that failed or were asked for, the newest first."""
    return await _list_deliveries(request, _project)


@routes.get(
    _OF_GROUP + _ONE + "/events",
    query=DeliveryListing,
    answers=page_of(WebhookDeliveryResource),
    refusals=(*_IN_GROUP, NotFoundError),
)
async def list_group_hook_deliveries(request: web.Request) -> web.Response:
    """List the deliveries of a group's webhook that failed or were asked for, the newest first."""
    return await _list_deliveries(request, _group)


@routes.post(
    _OF_PROJECT + _ONE + "/test/package_events",
    answers=one(WebhookDeliveryResource, status=201),
    refusals=(*_TO_PROJECT, NotFoundError),
)
async def test_project_hook(request: web.Request) -> web.Response:
    """Send a test to a project's webhook. The list of its deliveries shows what came of it.

    A test that succeeds enables a webhook that is disabled.
    """
    return await _test(request, _project)


@routes.post(
    _OF_GROUP + _ONE + "/test/package_events",
    answers=one(WebhookDeliveryResource, status=201),
    refusals=(*_IN_GROUP, NotFoundError),
)
async def test_group_hook(request: web.Request) -> web.Response:
    """Send a test to a group's webhook. The list of its deliveries shows what came of it.

    A test that succeeds enables a webhook that is disabled.
    """
    return await _test(request, _group)


@routes.post(
    _OF_PROJECT + _ONE + "/events/{hook_event_id}/resend",
    answers=one(WebhookDeliveryResource, status=201),
    refusals=(*_TO_PROJECT, NotFoundError),
)
async def resend_project_hook_event(request: web.Request) -> web.Response:
    """Send the event of a delivery again, with the same `webhook-id`."""
    return await _resend(request, _project)


@routes.post(
    _OF_GROUP + _ONE + "/events/{hook_event_id}/resend",
    answers=one(WebhookDeliveryResource, status=201),
    refusals=(*_IN_GROUP, NotFoundError),
)
async def resend_group_hook_event(request: web.Request) -> web.Response:
    """Send the event of a delivery again, with the same `webhook-id`."""
    return await _resend(request, _group)


@asynccontextmanager
async def _project(request: web.Request) -> AsyncGenerator[tuple[Connection, WebhookPlace]]:
    async with project_visit(request, credential_required=True) as (connection, found):
        if found.level < LEVEL_IN_PROJECT:
            raise ForbiddenError
        yield connection, WebhookPlace(project_id=found.project.id)


@asynccontextmanager
async def _group(request: web.Request) -> AsyncGenerator[tuple[Connection, WebhookPlace]]:
    async with group_visit(request) as (connection, caller, group):
        if caller.credential is None:
            raise UnauthorizedError
        if access.level_in(caller, group) < LEVEL_IN_GROUP:
            raise ForbiddenError
        yield connection, WebhookPlace(group_id=group.id)


async def _list(request: web.Request, visit: _Visit) -> web.Response:
    async with visit(request) as (connection, place):
        query = read_query(request, Paging)
        found = await rows.list_webhooks(connection, place, limit=query.per_page, offset=query.offset)
        total = await rows.count_webhooks(connection, place)
        with_token = await secret_rows.has_token(connection, [webhook.id for webhook in found])
    entities = [webhook_entity(webhook, has_token=webhook.id in with_token) for webhook in found]
    return reply_page(request, entities, Slice(found, total, total > query.offset + len(found)), query)


async def _add(request: web.Request, visit: _Visit) -> web.Response:
    async with visit(request) as (_, place):
        pass
    body = await read_body(request, WebhookSettings)
    await _require_allowed(request, body.url)
    async with request.app[CONTEXT].database.transaction() as connection:
        made = await managing.add(connection, place, body, _box(request))
    entity = webhook_entity(made.webhook, has_token=body.has_token, signing_token=made.signing_token)
    return reply(entity, status=201)


async def _show(request: web.Request, visit: _Visit) -> web.Response:
    async with visit(request) as (connection, place):
        webhook = await _read(request, connection, place)
        return await _reply(connection, webhook)


async def _change(request: web.Request, visit: _Visit) -> web.Response:
    async with visit(request) as (connection, place):
        webhook = await _read(request, connection, place)
    body = await read_body(request, WebhookChange)
    if body.url is not None:
        await _require_allowed(request, body.url)
    async with request.app[CONTEXT].database.transaction() as connection:
        changed = await managing.change(connection, webhook, body, _box(request))
        return await _reply(connection, changed)


async def _delete(request: web.Request, visit: _Visit) -> web.Response:
    async with visit(request) as (connection, place):
        webhook = await _read(request, connection, place)
        await rows.delete_webhook(connection, webhook.id)
    return no_content()


async def _list_deliveries(request: web.Request, visit: _Visit) -> web.Response:
    async with visit(request) as (connection, place):
        query, (hook_id,) = read_request(request, DeliveryListing, "hook_id")
        webhook = await managing.find(connection, place, hook_id)
        state = None if query.state is None else DeliveryState(query.state)
        found = await deliveries.list_deliveries(
            connection, webhook.id, state=state, limit=query.per_page, offset=query.offset
        )
        total = await deliveries.count_deliveries(connection, webhook.id, state=state, most=COUNT_LIMIT + 1)
    entities = [delivery_entity(webhook, delivery) for delivery in found]
    has_more = total > query.offset + len(found)
    return reply_page(request, entities, Slice(found, total if total <= COUNT_LIMIT else None, has_more), query)


async def _test(request: web.Request, visit: _Visit) -> web.Response:
    async with visit(request) as (connection, place):
        webhook = await _read(request, connection, place)
        return reply(delivery_entity(webhook, await managing.test(connection, webhook)), status=201)


async def _resend(request: web.Request, visit: _Visit) -> web.Response:
    async with visit(request) as (connection, place):
        hook_id, delivery_id = read_path(request, "hook_id", "hook_event_id")
        webhook = await managing.find(connection, place, hook_id)
        return reply(delivery_entity(webhook, await managing.resend(connection, webhook, delivery_id)), status=201)


async def _read(request: web.Request, connection: Connection, place: WebhookPlace) -> Webhook:
    (hook_id,) = read_path(request, "hook_id")
    return await managing.find(connection, place, hook_id)


async def _reply(connection: Connection, webhook: Webhook) -> web.Response:
    return reply(webhook_entity(webhook, has_token=bool(await secret_rows.has_token(connection, [webhook.id]))))


async def _require_allowed(request: web.Request, url: str) -> None:
    allowed = AllowedAddresses(request.app[CONTEXT].settings.webhook_allowed_networks)
    await managing.require_allowed(url, allowed)


def _box(request: web.Request) -> SecretBox:
    return SecretBox(request.app[CONTEXT].settings.secret_keys)

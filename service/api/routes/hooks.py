"""Webhooks of projects and groups, under the addresses of GitLab's hooks."""

from typing import Final

from aiohttp import web

from schemas.http.parameters import Paging
from schemas.http.webhooks import WebhookResource
from schemas.webhooks import WebhookChange, WebhookSettings
from service.api.entities.webhooks import webhook_entity
from service.api.webhook_places import (
    HOOKS_OF_GROUP,
    HOOKS_OF_PROJECT,
    IN_GROUP,
    IN_PROJECT,
    ONE_HOOK,
    TO_PROJECT,
    HookVisit,
    asked_for,
    in_group,
    in_project,
)
from service.http import CONTEXT, PERSONAL, Routes, one, page_of, read_body, read_query, reply, reply_page
from service.http.operations import MOVED, Answer, Media
from service.http.replies import no_content
from service.infra.egress.addresses import AllowedAddresses
from service.infra.postgres.database import Connection
from service.infra.postgres.pages import Slice
from service.refusals import ConflictError, NotFoundError, SecretsNotKeptError, WebhookUrlRefusedError
from service.webhooks import managing, rows, secret_rows
from service.webhooks.rows import Webhook
from service.webhooks.secrets import SecretBox

routes = Routes("Webhooks", carriers=PERSONAL)

_WRITING: Final = (
    WebhookUrlRefusedError("leads to an address that is not allowed"),
    ConflictError("another webhook has that name"),
    SecretsNotKeptError,
)
_GONE: Final = Answer(204, media=Media.EMPTY)


@routes.get(HOOKS_OF_PROJECT, query=Paging, answers=(page_of(WebhookResource), MOVED), refusals=IN_PROJECT)
async def list_project_hooks(request: web.Request) -> web.Response:
    """List a project's webhooks."""
    return await _list(request, in_project)


@routes.get(HOOKS_OF_GROUP, query=Paging, answers=page_of(WebhookResource), refusals=IN_GROUP)
async def list_group_hooks(request: web.Request) -> web.Response:
    """List a group's webhooks, which get the events of all projects below the group."""
    return await _list(request, in_group)


@routes.post(
    HOOKS_OF_PROJECT, body=WebhookSettings, answers=one(WebhookResource, status=201), refusals=(*TO_PROJECT, *_WRITING)
)
async def add_project_hook(request: web.Request) -> web.Response:
    """Add a webhook to a project. It begins with the next event.

    Without a `signing_token`, the answer has one that was made for it, and no later answer shows it again.
    """
    return await _add(request, in_project)


@routes.post(
    HOOKS_OF_GROUP, body=WebhookSettings, answers=one(WebhookResource, status=201), refusals=(*IN_GROUP, *_WRITING)
)
async def add_group_hook(request: web.Request) -> web.Response:
    """Add a webhook to a group. It begins with the next event.

    Without a `signing_token`, the answer has one that was made for it, and no later answer shows it again.
    """
    return await _add(request, in_group)


@routes.get(HOOKS_OF_PROJECT + ONE_HOOK, answers=(one(WebhookResource), MOVED), refusals=(*IN_PROJECT, NotFoundError))
async def show_project_hook(request: web.Request) -> web.Response:
    """Show a project's webhook."""
    return await _show(request, in_project)


@routes.get(HOOKS_OF_GROUP + ONE_HOOK, answers=one(WebhookResource), refusals=(*IN_GROUP, NotFoundError))
async def show_group_hook(request: web.Request) -> web.Response:
    """Show a group's webhook."""
    return await _show(request, in_group)


@routes.put(
    HOOKS_OF_PROJECT + ONE_HOOK,
    body=WebhookChange,
    answers=one(WebhookResource),
    refusals=(*TO_PROJECT, NotFoundError, *_WRITING),
)
async def change_project_hook(request: web.Request) -> web.Response:
    """Change a project's webhook. Keys that are left out stay as they are."""
    return await _change(request, in_project)


@routes.put(
    HOOKS_OF_GROUP + ONE_HOOK,
    body=WebhookChange,
    answers=one(WebhookResource),
    refusals=(*IN_GROUP, NotFoundError, *_WRITING),
)
async def change_group_hook(request: web.Request) -> web.Response:
    """Change a group's webhook. Keys that are left out stay as they are."""
    return await _change(request, in_group)


@routes.delete(HOOKS_OF_PROJECT + ONE_HOOK, answers=_GONE, refusals=(*TO_PROJECT, NotFoundError))
async def delete_project_hook(request: web.Request) -> web.Response:
    """Delete a project's webhook and its deliveries."""
    return await _delete(request, in_project)


@routes.delete(HOOKS_OF_GROUP + ONE_HOOK, answers=_GONE, refusals=(*IN_GROUP, NotFoundError))
async def delete_group_hook(request: web.Request) -> web.Response:
    """Delete a group's webhook and its deliveries."""
    return await _delete(request, in_group)


async def _list(request: web.Request, visit: HookVisit) -> web.Response:
    async with visit(request) as (connection, place):
        query = read_query(request, Paging)
        found = await rows.list_webhooks(connection, place, limit=query.per_page, offset=query.offset)
        total = await rows.count_webhooks(connection, place)
        with_token = await secret_rows.has_token(connection, [webhook.id for webhook in found])
    entities = [webhook_entity(webhook, has_token=webhook.id in with_token) for webhook in found]
    return reply_page(request, entities, Slice(found, total, total > query.offset + len(found)), query)


async def _add(request: web.Request, visit: HookVisit) -> web.Response:
    async with visit(request) as (_, place):
        pass
    body = await read_body(request, WebhookSettings)
    await _require_allowed(request, body.url)
    async with request.app[CONTEXT].database.transaction() as connection:
        made = await managing.add(connection, place, body, _box(request))
    entity = webhook_entity(made.webhook, has_token=body.has_token, signing_token=made.signing_token)
    return reply(entity, status=201)


async def _show(request: web.Request, visit: HookVisit) -> web.Response:
    async with visit(request) as (connection, place):
        webhook = await asked_for(request, connection, place)
        return await _reply(connection, webhook)


async def _change(request: web.Request, visit: HookVisit) -> web.Response:
    async with visit(request) as (connection, place):
        webhook = await asked_for(request, connection, place)
    body = await read_body(request, WebhookChange)
    if body.url is not None:
        await _require_allowed(request, body.url)
    async with request.app[CONTEXT].database.transaction() as connection:
        changed = await managing.change(connection, webhook, body, _box(request))
        return await _reply(connection, changed)


async def _delete(request: web.Request, visit: HookVisit) -> web.Response:
    async with visit(request) as (connection, place):
        webhook = await asked_for(request, connection, place)
        await rows.delete_webhook(connection, webhook.id)
    return no_content()


async def _reply(connection: Connection, webhook: Webhook) -> web.Response:
    return reply(webhook_entity(webhook, has_token=bool(await secret_rows.has_token(connection, [webhook.id]))))


async def _require_allowed(request: web.Request, url: str) -> None:
    allowed = AllowedAddresses(request.app[CONTEXT].settings.webhook_allowed_networks)
    await managing.require_allowed(url, allowed)


def _box(request: web.Request) -> SecretBox:
    return SecretBox(request.app[CONTEXT].settings.secret_keys)

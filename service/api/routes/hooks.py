"""Webhooks of projects and groups, under the addresses of GitLab's hooks."""

from typing import Final

from aiohttp import web

from schemas.http.parameters import Paging
from schemas.http.webhooks import WebhookResource
from schemas.webhooks import WebhookChange, WebhookSettings
from service.api.entities.webhooks import webhook_entity
from service.api.webhook_places import HOOK_PLACES, ONE_HOOK, HookVisit, asked_for
from service.http import (
    CONTEXT,
    PERSONAL,
    Answer,
    Media,
    Routes,
    one,
    page_of,
    read_body,
    read_query,
    reply,
    reply_page,
)
from service.http.places import PlaceRoutes
from service.http.replies import no_content
from service.infra.egress.addresses import AllowedAddresses
from service.infra.egress.resolving import OUTSIDE
from service.infra.postgres.database import Connection
from service.infra.postgres.pages import Slice
from service.refusals import ConflictError, NotFoundError, SecretsNotKeptError, WebhookUrlRefusedError
from service.webhooks import managing, rows, secret_rows
from service.webhooks.rows import Webhook
from service.webhooks.secrets import SecretBox

routes = Routes("Webhooks", carriers=PERSONAL)
_places: Final = PlaceRoutes[HookVisit](routes, *HOOK_PLACES)

_WRITING: Final = (
    WebhookUrlRefusedError(OUTSIDE),
    ConflictError("another webhook has that name"),
    SecretsNotKeptError,
)
_GONE: Final = Answer(204, media=Media.EMPTY)


@_places.get("", query=Paging, answers=page_of(WebhookResource))
async def list_place_hooks(request: web.Request, visit: HookVisit) -> web.Response:
    """List the webhooks of a place.

    Those of a group get the events of all projects below the group.
    """
    async with visit(request) as (connection, place):
        query = read_query(request, Paging)
        found = await rows.list_webhooks(connection, place, limit=query.per_page, offset=query.offset)
        total = await rows.count_webhooks(connection, place)
        with_token = await secret_rows.has_token(connection, [webhook.id for webhook in found])
    entities = [webhook_entity(webhook, has_token=webhook.id in with_token) for webhook in found]
    return reply_page(request, entities, Slice(found, total, total > query.offset + len(found)), query)


@_places.post("", body=WebhookSettings, answers=one(WebhookResource, status=201), refusals=_WRITING)
async def add_place_hook(request: web.Request, visit: HookVisit) -> web.Response:
    """Add a webhook to a place. It begins with the next event.

    Without a `signing_token`, the answer has one that was made for it, and no later answer shows it again.
    """
    async with visit(request) as (_, place):
        pass
    body = await read_body(request, WebhookSettings, takes_form=True)
    await _require_allowed(request, body.url)
    async with request.app[CONTEXT].database.transaction() as connection:
        made = await managing.add(connection, place, body, _box(request))
    entity = webhook_entity(made.webhook, has_token=body.has_token, signing_token=made.signing_token)
    return reply(entity, status=201)


@_places.get(ONE_HOOK, answers=one(WebhookResource), refusals=(NotFoundError,))
async def show_place_hook(request: web.Request, visit: HookVisit) -> web.Response:
    """Show a webhook of a place."""
    async with visit(request) as (connection, place):
        webhook = await asked_for(request, connection, place)
        return await _reply(connection, webhook)


@_places.put(ONE_HOOK, body=WebhookChange, answers=one(WebhookResource), refusals=(NotFoundError, *_WRITING))
async def change_place_hook(request: web.Request, visit: HookVisit) -> web.Response:
    """Change a webhook of a place. Keys that are left out stay as they are."""
    async with visit(request) as (connection, place):
        webhook = await asked_for(request, connection, place)
    body = await read_body(request, WebhookChange, takes_form=True)
    if body.url is not None:
        await _require_allowed(request, body.url)
    async with request.app[CONTEXT].database.transaction() as connection:
        changed = await managing.change(connection, webhook, body, _box(request))
        return await _reply(connection, changed)


@_places.delete(ONE_HOOK, answers=_GONE, refusals=(NotFoundError,))
async def delete_place_hook(request: web.Request, visit: HookVisit) -> web.Response:
    """Delete a webhook of a place and its deliveries."""
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

"""Deliveries of webhooks: those that failed or were asked for, tests, and sending again."""

from typing import Final

from aiohttp import web

from schemas.http.webhooks import DeliveryListing, WebhookDeliveryResource
from service.api.entities.webhooks import delivery_entity
from service.api.webhook_places import HOOK_PLACES, ONE_HOOK, HookVisit, asked_for
from service.http import PERSONAL, Routes, one, page_of, read_path, read_request, reply, reply_page
from service.http.places import PlaceRoutes
from service.infra.postgres.pages import COUNT_LIMIT, Slice
from service.refusals import NotFoundError
from service.webhooks import deliveries, managing
from service.webhooks.deliveries import DeliveryState

routes = Routes("Webhooks", carriers=PERSONAL)
_places: Final = PlaceRoutes[HookVisit](routes, *HOOK_PLACES)
_MADE: Final = one(WebhookDeliveryResource, status=201)


@_places.get(
    ONE_HOOK + "/events", query=DeliveryListing, answers=page_of(WebhookDeliveryResource), refusals=(NotFoundError,)
)
async def list_place_hook_deliveries(request: web.Request, visit: HookVisit) -> web.Response:
    """List the deliveries of a place's webhook that failed or were asked for, the newest first."""
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


@_places.post(ONE_HOOK + "/test/package_events", answers=_MADE, refusals=(NotFoundError,))
async def test_place_hook(request: web.Request, visit: HookVisit) -> web.Response:
    """Send a test to a place's webhook. The list of its deliveries shows what came of it.

    A test that succeeds enables a webhook that is disabled.
    """
    async with visit(request) as (connection, place):
        webhook = await asked_for(request, connection, place)
        return reply(delivery_entity(webhook, await managing.test(connection, webhook)), status=201)


@_places.post(ONE_HOOK + "/events/{hook_event_id}/resend", answers=_MADE, refusals=(NotFoundError,))
async def resend_place_hook_event(request: web.Request, visit: HookVisit) -> web.Response:
    """Send the event of a delivery of a place's webhook again, with the same `webhook-id`."""
    async with visit(request) as (connection, place):
        hook_id, delivery_id = read_path(request, "hook_id", "hook_event_id")
        webhook = await managing.find(connection, place, hook_id)
        return reply(delivery_entity(webhook, await managing.resend(connection, webhook, delivery_id)), status=201)

"""Deliveries of webhooks: those that failed or were asked for, tests, and sending again."""

from aiohttp import web

from schemas.http.webhooks import DeliveryListing, WebhookDeliveryResource
from service.api.entities.webhooks import delivery_entity
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
from service.http import PERSONAL, Routes, one, page_of, read_path, reply, reply_page
from service.http.operations import MOVED
from service.http.parameters import read_request
from service.infra.postgres.pages import COUNT_LIMIT, Slice
from service.refusals import NotFoundError
from service.webhooks import deliveries, managing
from service.webhooks.deliveries import DeliveryState

routes = Routes("Webhooks", carriers=PERSONAL)


@routes.get(
    HOOKS_OF_PROJECT + ONE_HOOK + "/events",
    query=DeliveryListing,
    answers=(page_of(WebhookDeliveryResource), MOVED),
    refusals=(*IN_PROJECT, NotFoundError),
)
async def list_project_hook_deliveries(request: web.Request) -> web.Response:
    """List the deliveries of a project's webhook that failed or were asked for, the newest first."""
    return await _list_deliveries(request, in_project)


@routes.get(
    HOOKS_OF_GROUP + ONE_HOOK + "/events",
    query=DeliveryListing,
    answers=page_of(WebhookDeliveryResource),
    refusals=(*IN_GROUP, NotFoundError),
)
async def list_group_hook_deliveries(request: web.Request) -> web.Response:
    """List the deliveries of a group's webhook that failed or were asked for, the newest first."""
    return await _list_deliveries(request, in_group)


@routes.post(
    HOOKS_OF_PROJECT + ONE_HOOK + "/test/package_events",
    answers=one(WebhookDeliveryResource, status=201),
    refusals=(*TO_PROJECT, NotFoundError),
)
async def test_project_hook(request: web.Request) -> web.Response:
    """Send a test to a project's webhook. The list of its deliveries shows what came of it.

    A test that succeeds enables a webhook that is disabled.
    """
    return await _test(request, in_project)


@routes.post(
    HOOKS_OF_GROUP + ONE_HOOK + "/test/package_events",
    answers=one(WebhookDeliveryResource, status=201),
    refusals=(*IN_GROUP, NotFoundError),
)
async def test_group_hook(request: web.Request) -> web.Response:
    """Send a test to a group's webhook. The list of its deliveries shows what came of it.

    A test that succeeds enables a webhook that is disabled.
    """
    return await _test(request, in_group)


@routes.post(
    HOOKS_OF_PROJECT + ONE_HOOK + "/events/{hook_event_id}/resend",
    answers=one(WebhookDeliveryResource, status=201),
    refusals=(*TO_PROJECT, NotFoundError),
)
async def resend_project_hook_event(request: web.Request) -> web.Response:
    """Send the event of a delivery again, with the same `webhook-id`."""
    return await _resend(request, in_project)


@routes.post(
    HOOKS_OF_GROUP + ONE_HOOK + "/events/{hook_event_id}/resend",
    answers=one(WebhookDeliveryResource, status=201),
    refusals=(*IN_GROUP, NotFoundError),
)
async def resend_group_hook_event(request: web.Request) -> web.Response:
    """Send the event of a delivery again, with the same `webhook-id`."""
    return await _resend(request, in_group)


async def _list_deliveries(request: web.Request, visit: HookVisit) -> web.Response:
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


async def _test(request: web.Request, visit: HookVisit) -> web.Response:
    async with visit(request) as (connection, place):
        webhook = await asked_for(request, connection, place)
        return reply(delivery_entity(webhook, await managing.test(connection, webhook)), status=201)


async def _resend(request: web.Request, visit: HookVisit) -> web.Response:
    async with visit(request) as (connection, place):
        hook_id, delivery_id = read_path(request, "hook_id", "hook_event_id")
        webhook = await managing.find(connection, place, hook_id)
        return reply(delivery_entity(webhook, await managing.resend(connection, webhook, delivery_id)), status=201)

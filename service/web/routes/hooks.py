"""The pages of webhooks: those of a project or a group, and one by itself with its deliveries."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from multidict import MultiMapping
from pydantic import ValidationError

from schemas.problems import problems_of
from schemas.webhooks import DELIVERABLE, WebhookSettings
from service.access.callers import Caller
from service.access.rows import Group, Project
from service.http.keys import CONTEXT
from service.infra.egress.addresses import AllowedAddresses
from service.infra.postgres.database import Connection
from service.refusals import ConflictError, ForbiddenError, RefusedError, SecretsNotKeptError, WebhookUrlRefusedError
from service.web.frame.rendering import render, see_other
from service.web.frame.routing import GROUP, PROJECT, PageRoutes
from service.web.hook_forms import HookForm
from service.web.parameters import read_number
from service.web.views import PlaceView, group_place, project_place
from service.web.visits import group_visit, may_manage_hooks, project_visit, sent_form
from service.webhooks import deliveries, managing, rows, secret_rows
from service.webhooks.rows import Webhook, WebhookPlace
from service.webhooks.secrets import SecretBox

routes = PageRoutes()

_SHOWN: Final = 50
_HOOKS: Final = "/-/hooks"
HOOK: Final = _HOOKS + "/{hook_id:[0-9]+}"
_DELIVERY: Final = HOOK + "/deliveries/{delivery_id:[0-9]+}"
REFUSED: Final = (WebhookUrlRefusedError, ConflictError, SecretsNotKeptError)
_FIELDS: Final = ("url", "name", "event_type", "unordered")
_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class HookPlace:
    """A project or a group whose webhooks the caller may manage."""

    view: PlaceView
    key: WebhookPlace

    @property
    def address(self) -> str:
        """The page of all its webhooks."""
        return self.view.address + _HOOKS


@routes.page(GROUP + _HOOKS)
@routes.page(PROJECT + _HOOKS)
async def list_hooks(request: web.Request) -> web.Response:
    """Show the webhooks of a place, with a form that adds one."""
    async with hook_visit(request) as (connection, place):
        return await _show_list(request, connection, place)


@routes.form(GROUP + _HOOKS)
@routes.form(PROJECT + _HOOKS)
async def add_hook(request: web.Request) -> web.Response:
    """Add a webhook, and show it with its signing token, this one time."""
    _, fields = await sent_form(request)
    async with hook_visit(request) as (_, place):
        pass
    try:
        given = _read(fields)
        context = request.app[CONTEXT]
        await managing.require_allowed(given.url, AllowedAddresses(context.settings.webhook_allowed_networks))
        async with context.database.transaction() as connection:
            box = SecretBox(context.settings.secret_keys)
            made = await managing.add(connection, place.key, given, box)
    except (ValidationError, *REFUSED) as error:
        async with hook_visit(request) as (connection, place):
            return await _show_list(request, connection, place, given=fields, problem=problem_of(error))
    async with context.database.connection() as connection:
        return await show_one(request, connection, place, made.webhook, signing_token=made.signing_token)


@routes.page(GROUP + HOOK)
@routes.page(PROJECT + HOOK)
async def show_hook(request: web.Request) -> web.Response:
    """Show a webhook and its deliveries."""
    async with hook_visit(request) as (connection, place):
        webhook = await managing.find(connection, place.key, read_number(request, "hook_id"))
        return await show_one(request, connection, place, webhook)


@routes.form(GROUP + HOOK + "/test")
@routes.form(PROJECT + HOOK + "/test")
async def test_hook(request: web.Request) -> web.Response:
    """Send a test, and lead back to the webhook."""
    await sent_form(request)
    async with hook_visit(request) as (connection, place):
        webhook = await managing.find(connection, place.key, read_number(request, "hook_id"))
        await managing.test(connection, webhook)
    return see_other(request, f"{place.address}/{webhook.id}")


@routes.form(GROUP + _DELIVERY + "/resend")
@routes.form(PROJECT + _DELIVERY + "/resend")
async def resend_delivery(request: web.Request) -> web.Response:
    """Send an event again, and lead back to the webhook."""
    await sent_form(request)
    async with hook_visit(request) as (connection, place):
        webhook = await managing.find(connection, place.key, read_number(request, "hook_id"))
        await managing.resend(connection, webhook, read_number(request, "delivery_id"))
    return see_other(request, f"{place.address}/{webhook.id}")


@routes.form(GROUP + HOOK + "/delete")
@routes.form(PROJECT + HOOK + "/delete")
async def delete_hook(request: web.Request) -> web.Response:
    """Delete a webhook, and lead back to the list."""
    await sent_form(request)
    async with hook_visit(request) as (connection, place):
        webhook = await managing.find(connection, place.key, read_number(request, "hook_id"))
        await rows.delete_webhook(connection, webhook.id)
    return see_other(request, place.address)


@asynccontextmanager
async def hook_visit(request: web.Request) -> AsyncGenerator[tuple[Connection, HookPlace]]:
    """Give a connection and the place that the address names.

    Raises:
        RefusedError: the caller may not manage its webhooks.
    """
    if request.path.startswith("/groups/"):
        async with group_visit(request) as (connection, caller, group):
            _require(caller, group)
            yield connection, HookPlace(group_place(group), WebhookPlace(group_id=group.id))
        return
    async with project_visit(request) as (connection, found):
        _require(found.caller, found.project)
        yield connection, HookPlace(project_place(found.project), WebhookPlace(project_id=found.project.id))


def _require(caller: Caller, place: Project | Group) -> None:
    if not may_manage_hooks(caller, place):
        raise ForbiddenError


async def _show_list(
    request: web.Request,
    connection: Connection,
    place: HookPlace,
    *,
    given: Mapping[str, str] | MultiMapping[str] = _NOTHING,
    problem: str | None = None,
) -> web.Response:
    found: Sequence[Webhook] = await rows.list_webhooks(connection, place.key, limit=managing.MOST, offset=0)
    return render(
        request,
        "hooks.html",
        status=200 if problem is None else 422,
        place=place.view,
        hooks=found,
        types=DELIVERABLE,
        given={name: given.get(name, "") for name in _FIELDS},
        problem=problem,
    )


async def show_one(
    request: web.Request,
    connection: Connection,
    place: HookPlace,
    webhook: Webhook,
    *,
    signing_token: str | None = None,
    given: MultiMapping[str] | None = None,
    problem: str | None = None,
) -> web.Response:
    """Show a webhook with its deliveries and the form that changes it; *given*: what was typed, with a *problem*."""
    found = await deliveries.list_deliveries(connection, webhook.id, state=None, limit=_SHOWN, offset=0)
    return render(
        request,
        "hook.html",
        status=200 if problem is None else 422,
        place=place.view,
        hook=webhook,
        deliveries=found,
        signing_token=signing_token,
        shown=_SHOWN,
        form=HookForm.of(webhook) if given is None else HookForm.typed(given),
        has_token=bool(await secret_rows.has_token(connection, [webhook.id])),
        types=DELIVERABLE,
        problem=problem,
        is_saved="saved" in request.query,
    )


def _read(fields: MultiMapping[str]) -> WebhookSettings:
    given: dict[str, object] = {"url": fields.get("url", "").strip(), "ordered": "unordered" not in fields}
    if name := fields.get("name", "").strip():
        given["name"] = name
    if topic := fields.get("event_type", ""):
        given["event_types"] = (topic,)
    return WebhookSettings.model_validate(given)


def problem_of(error: Exception) -> str:
    """Return why a webhook could not be kept, for the person who typed it."""
    if isinstance(error, ValidationError):
        return "; ".join(problem.sentence() for problem in problems_of(error))
    return next(iter(error.body().values())) if isinstance(error, RefusedError) else str(error)

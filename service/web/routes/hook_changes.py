"""The forms that change a webhook: everything that can be set, and a new signing token."""

from aiohttp import web
from pydantic import SecretStr, ValidationError

from schemas.webhooks import WebhookChange
from service.http.keys import CONTEXT
from service.infra.egress.addresses import AllowedAddresses
from service.web.frame.rendering import see_other
from service.web.frame.routing import GROUP, PROJECT, PageRoutes
from service.web.hook_forms import read_change
from service.web.parameters import read_number
from service.web.routes.hooks import HOOK, REFUSED, hook_visit, problem_of, show_one
from service.web.visits import sent_form
from service.webhooks import managing
from service.webhooks.secrets import SecretBox, new_signing_token

routes = PageRoutes()


@routes.form(GROUP + HOOK)
@routes.form(PROJECT + HOOK)
async def change_hook(request: web.Request) -> web.Response:
    """Change a webhook to what the form says, and lead back to it; secrets that were not typed stay."""
    _, fields = await sent_form(request)
    context = request.app[CONTEXT]
    async with hook_visit(request) as (connection, place):
        webhook = await managing.find(connection, place.key, read_number(request, "hook_id"))
    try:
        change = read_change(fields)
        if change.url is not None and change.url != webhook.url:
            await managing.require_allowed(change.url, AllowedAddresses(context.settings.webhook_allowed_networks))
        async with context.database.transaction() as connection:
            await managing.change(connection, webhook, change, SecretBox(context.settings.secret_keys))
    except (ValidationError, *REFUSED) as error:
        async with hook_visit(request) as (connection, place):
            problem = problem_of(error)
            return await show_one(request, connection, place, webhook, given=fields, problem=problem)
    return see_other(request, f"{place.address}/{webhook.id}?saved=1")


@routes.form(GROUP + HOOK + "/signing_token")
@routes.form(PROJECT + HOOK + "/signing_token")
async def renew_signing_token(request: web.Request) -> web.Response:
    """Make a new signing token, and show it this one time; the one before signs beside it for a day."""
    await sent_form(request)
    context = request.app[CONTEXT]
    made = new_signing_token()
    change = WebhookChange(signing_token=SecretStr(made))
    async with hook_visit(request) as (connection, place):
        webhook = await managing.find(connection, place.key, read_number(request, "hook_id"))
    async with context.database.transaction() as connection:
        changed = await managing.change(connection, webhook, change, SecretBox(context.settings.secret_keys))
        return await show_one(request, connection, place, changed, signing_token=made)

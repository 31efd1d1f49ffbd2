"""The pages in an application: their routes beside those of the API, and errors as pages."""

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from service.http.keys import CONTEXT
from service.web.errors import show_errors
from service.web.frame import assets
from service.web.keys import ATTEMPTS
from service.web.live import live_deletions
from service.web.routes import (
    acts,
    batches,
    bulk,
    deletions,
    everywhere,
    groups,
    home,
    hook_changes,
    hooks,
    live,
    packages,
    pipelines,
    projects,
    sign_in,
    users,
)
from service.web.routes.overviews import directory, documents, events, operations, storage
from service.web.routes.retention import packages as retained_packages
from service.web.routes.retention import previews, rules, runs
from service.web.sessions.attempts import Attempts
from service.web.sessions.proxies import hand_out_session

MIDDLEWARES: Final[tuple[Middleware, ...]] = (show_errors,)
"""The middlewares of pages, to be the innermost ones."""

_ROUTES: Final = (
    assets.routes,
    home.routes,
    sign_in.routes,
    acts.routes,
    hooks.routes,
    hook_changes.routes,
    rules.routes,
    previews.routes,
    runs.routes,
    retained_packages.routes,
    bulk.routes,
    batches.routes,
    packages.routes,
    pipelines.routes,
    live.routes,
    storage.routes,
    operations.routes,
    directory.routes,
    documents.routes,
    events.routes,
    deletions.routes,
    everywhere.routes,
    groups.routes,
    users.routes,
    projects.routes,
)
"""Where two addresses match, the first counts."""


def add_pages(app: web.Application) -> None:
    """Serve the pages in *app*, beside what it serves already."""
    context = app[CONTEXT]
    app.cleanup_ctx.append(live_deletions(context.database, context.vitals))
    app[ATTEMPTS] = Attempts(context.settings.trusted_proxies)
    app.on_response_prepare.append(hand_out_session)
    for routes in _ROUTES:
        routes.add_to(app)

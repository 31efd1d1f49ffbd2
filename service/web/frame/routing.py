"""Routes of pages: beside the API, and answered with HTML only where the client prefers it."""

from collections.abc import Callable
from typing import Final

from aiohttp import hdrs, web

from service.http.body.expect_continue import let_body_come
from service.http.carriers import NO_CREDENTIALS
from service.http.operations import OPERATION, READING, Answer, Handler, Media, Operation
from service.web.frame.negotiation import prefers_html

_RESERVED: Final = "(?!(?:api|-|groups|users)(?:/|$))"
PROJECT: Final = "/{path:" + _RESERVED + "[^/]+(?:/(?!-/|-$)[^/]+)+}"
"""The address of a project; names that are reserved for other pages begin none, and `-` ends its path."""
GROUP: Final = "/groups/{path:[^/]+(?:/(?!-/|-$)[^/]+)*}"
"""The address of a group."""
NAME: Final = "/{path:" + _RESERVED + "[^/]+}"
"""The address of a user, or a group's short one."""

_PAGE: Final = Answer(200, media=Media.HTML)


class PageRoutes:
    """The pages of one module, in the order of their definition."""

    def __init__(self) -> None:
        """Begin without any."""
        self._operations: list[tuple[Operation, bool]] = []

    def page(self, path: str) -> Callable[[Handler], Handler]:
        """Serve GET with a page, to clients that prefer HTML."""
        return self._add(hdrs.METH_GET, path, for_every_client=False)

    def resource(self, path: str) -> Callable[[Handler], Handler]:
        """Serve GET with what a page loads or links to, whatever the client accepts."""
        return self._add(hdrs.METH_GET, path, for_every_client=True)

    def form(self, path: str) -> Callable[[Handler], Handler]:
        """Serve POST, for a form of a page."""
        return self._add(hdrs.METH_POST, path, for_every_client=True)

    def add_to(self, app: web.Application) -> None:
        """Serve all of them in *app*."""
        for operation, for_every_client in self._operations:
            handler = _served(operation, for_every_client=for_every_client)
            for method in (hdrs.METH_GET, hdrs.METH_HEAD) if operation.method in READING else (operation.method,):
                app.router.add_route(method, operation.path, handler, expect_handler=let_body_come)

    def _add(self, method: str, path: str, *, for_every_client: bool) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            operation = Operation(
                method=method,
                path=path,
                tag="Pages",
                handler=handler,
                answers=(_PAGE,),
                refusals=(),
                carriers=NO_CREDENTIALS,
                is_hidden=True,
            )
            self._operations.append((operation, for_every_client))
            return handler

        return add


def _served(operation: Operation, *, for_every_client: bool) -> Handler:
    async def serve(request: web.Request) -> web.StreamResponse:
        if not (for_every_client or prefers_html(request)):
            raise web.HTTPNotFound
        request[OPERATION] = operation
        return await operation.handler(request)

    return serve

"""Scripts of other web origins: let in only if a setting names their origin (CORS, as the Fetch standard has it)."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from service.http.operations import PAGE_HEADERS, Handler
from service.http.serving.rate_limit import LIMIT_HEADERS

_METHODS: Final = "GET, HEAD, PUT, POST, PATCH, DELETE"
_EXPOSED: Final = ", ".join(
    (
        *PAGE_HEADERS,
        *LIMIT_HEADERS,
        *("ETag", "Deletion-Id", "Deletion-Batch-Id", "Deletions-Remaining", "Preference-Applied"),
        *("X-Checksum-SHA256", "X-Request-Id"),
    )
)
_PREFLIGHT_AGE_S: Final = 600


class CrossOrigin:
    """Whom to let in."""

    def __init__(self, origins: Sequence[str]) -> None:
        """Let in scripts of these *origins*; `*` means every origin."""
        self._origins = frozenset(origins)

    def allows(self, origin: str) -> bool:
        """Return whether scripts of the origin may use the API."""
        return bool(origin) and ("*" in self._origins or origin in self._origins)

    @property
    def answer_preflight(self) -> Middleware:
        """The middleware that answers a browser's question beforehand."""

        @web.middleware
        async def answer_preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
            is_question = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
            if not is_question or not self.allows(request.headers.get("Origin", "")):
                return await handler(request)
            asked = request.headers.get("Access-Control-Request-Headers", "")
            return web.Response(
                status=204,
                headers={
                    "Access-Control-Allow-Methods": _METHODS,
                    "Access-Control-Allow-Headers": asked,
                    "Access-Control-Max-Age": str(_PREFLIGHT_AGE_S),
                },
            )

        return answer_preflight

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the headers by which the browser lets the script read the answer."""
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin", "")
        if self.allows(origin):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED

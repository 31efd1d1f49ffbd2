"""How often one caller may ask: fixed windows, counted in this process, with the headers that GitLab's clients know."""

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from service.digests import token_digest
from service.http.addresses import client_address
from service.http.keys import CREDENTIAL_OWNER
from service.http.operations import Handler
from service.http.refusing import refuse
from service.ip_addresses import Network, subscriber
from service.refusals import TooManyRequestsError

LIMIT_HEADERS: Final = (
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Name",
    "RateLimit-Observed",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "RateLimit-ResetTime",
)

_NAME: Final = "throttle_api"
_SERVED: Final = "/api/"
_UNAUTHORIZED: Final = 401
_MOST_CALLERS: Final = 100_000
"""The number of callers with a count of their own. All others share one, so that memory is bounded."""
_OTHERS: Final = "others"
_NOWHERE: Final = "nowhere"
"""Counts those who come without an address, as through a socket in a folder."""
_CREDENTIAL_PARAMETERS: Final = ("private_token", "access_token", "job_token")
_CREDENTIAL_HEADERS: Final = ("PRIVATE-TOKEN", "Authorization", "JOB-TOKEN", "Deploy-Token")


@dataclass(slots=True)
class _Window:
    ends: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)


class RateLimit:
    """Allows each caller a number of requests in a period.

    Credentials that were good before are counted by their identity, and all other requests by address. Invented
    credentials, and those that a route does not read, therefore do not bypass the limit. Strangers at the same address
    do not use up a user's limit.
    """

    def __init__(self, limit: int, period: timedelta, *, proxies: Sequence[Network] = ()) -> None:
        """Allow *limit* requests in each *period*; *proxies* name the client."""
        self._limit = limit
        self._period_s = period.total_seconds()
        self._proxies = proxies
        self._window = _Window()
        self._known: dict[bytes, str] = {}

    @property
    def throttle(self) -> Middleware:
        """The middleware that counts requests, and refuses callers with too many."""

        @web.middleware
        async def throttle(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not request.path.startswith(_SERVED):
                return await handler(request)
            now = time.time()
            if now >= self._window.ends:
                self._window = _Window(now - now % self._period_s + self._period_s)
            address, credential = self._address(request), _credential(request)
            observed = self._count(self._known.get(credential, address))
            if observed > self._limit:
                left_s = math.ceil(self._window.ends - now) or 1
                return refuse(TooManyRequestsError(left_s), self._headers(observed))
            response = await handler(request)
            self._learn(credential, request.get(CREDENTIAL_OWNER), address, refused=response.status == _UNAUTHORIZED)
            if not response.prepared:
                response.headers.update(self._headers(observed))
            return response

        return throttle

    def _address(self, request: web.Request) -> str:
        address = client_address(request, self._proxies)
        return _NOWHERE if address is None else subscriber(address)

    def _learn(self, credential: bytes, identity: str | None, address: str, *, refused: bool) -> None:
        if credential in self._known:
            if refused:
                del self._known[credential]
            return
        # The request was counted for the address; one whose own count is used up leaves it there.
        counts = self._window.counts
        if identity is not None and counts[identity] < self._limit and len(self._known) < _MOST_CALLERS:
            self._known[credential] = identity
            counts[address] -= 1
            self._count(identity)

    def _count(self, caller: str) -> int:
        counts = self._window.counts
        key = caller if caller in counts or len(counts) < _MOST_CALLERS else _OTHERS
        counts[key] += 1
        return counts[key]

    def _headers(self, observed: int) -> Mapping[str, str]:
        ends = datetime.fromtimestamp(math.ceil(self._window.ends), UTC)
        return {
            "RateLimit-Limit": str(self._limit),
            "RateLimit-Name": _NAME,
            "RateLimit-Observed": str(observed),
            "RateLimit-Remaining": str(max(0, self._limit - observed)),
            "RateLimit-Reset": str(round(ends.timestamp())),
            "RateLimit-ResetTime": format_datetime(ends, usegmt=True),
        }


def _credential(request: web.Request) -> bytes:
    presented = [request.query.get(name, "") for name in _CREDENTIAL_PARAMETERS]
    presented += [request.headers.get(name, "") for name in _CREDENTIAL_HEADERS]
    return token_digest("\n".join(presented))

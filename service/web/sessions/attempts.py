"""How often one address may try to sign in."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from service.http.addresses import client_address
from service.ip_addresses import Network, subscriber
from service.refusals import TooManyRequestsError

_MOST_FAILURES: Final = 10
_PERIOD_S: Final = 60.0
_MOST_ADDRESSES: Final = 10_000
"""All other addresses share one count, so that memory is bounded."""
_OTHERS: Final = "others"


class Attempts:
    """Failed attempts of one minute, counted in this process by address."""

    def __init__(self, proxies: Sequence[Network]) -> None:
        """Begin without any; *proxies* name the client."""
        self._proxies = proxies
        self._ends = 0.0
        self._failures: Counter[str] = Counter()

    def check(self, request: web.Request) -> None:
        """Check that the client has not failed too often.

        Raises:
            TooManyRequestsError: it has.
        """
        if time.monotonic() >= self._ends:
            self._failures.clear()
            self._ends = time.monotonic() + _PERIOD_S
        if self._failures[self._key(request)] >= _MOST_FAILURES:
            raise TooManyRequestsError

    def note_failure(self, request: web.Request) -> None:
        """Count an attempt that failed."""
        self._failures[self._key(request)] += 1

    def _key(self, request: web.Request) -> str:
        address = client_address(request, self._proxies)
        key = "nowhere" if address is None else subscriber(address)
        return key if key in self._failures or len(self._failures) < _MOST_ADDRESSES else _OTHERS

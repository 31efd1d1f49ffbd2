"""The clients of a load: one address, the requests that were counted, and the sign to stop."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import aiohttp

PROJECT: Final = "/api/v4/projects/100"

_HEADERS: Final = {"PRIVATE-TOKEN": "maintainer-token"}
_PATIENCE: Final = aiohttp.ClientTimeout(total=None, sock_connect=20, sock_read=60)
_MOST_FAILURES: Final = 5
_PAUSE_S: Final = 0.5

_Found = TypeVar("_Found")


@dataclass(slots=True)
class Summary:
    """Requests and failures of all clients, and figures of transfers and of the stream."""

    requests: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    transfers: int = 0
    """Uploads and downloads of 50 MB that were whole."""

    longest_s: float = 0.0
    """The longest of them."""

    streams_ended: int = 0
    """Streams that the server ended cleanly, after which the client connected again."""

    streamed: int = 0
    missed: int = 0
    """Events of the feed that the stream left out or had twice."""

    @property
    def problems(self) -> list[str]:
        """The promises that this breaks."""
        broken = [f"{self.failed} of {self.requests} requests failed: {'; '.join(self.failures)}"] * bool(self.failed)
        return broken + [f"the stream left out or repeated {self.missed} events"] * bool(self.missed)


class Clients:
    """Clients at one address, until they are asked to stop."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.summary = Summary()
        self.stop = asyncio.Event()

    def session(self, *, keeps: bool = True) -> aiohttp.ClientSession:
        """Return a session that keeps its connections, or connects anew for each request."""
        connector = aiohttp.TCPConnector(force_close=not keeps, limit=0)
        return aiohttp.ClientSession(self._address, headers=_HEADERS, timeout=_PATIENCE, connector=connector)

    async def counted(self, what: str, ask: Callable[[], Awaitable[_Found]]) -> _Found | None:
        """Ask, and count the request; return nothing if it failed, which is counted by *what* it was."""
        self.summary.requests += 1
        try:
            return await ask()
        except (aiohttp.ClientError, TimeoutError, OSError, EOFError) as error:
            self.summary.failed += 1
            if len(self.summary.failures) < _MOST_FAILURES:
                self.summary.failures.append(f"{what}: {type(error).__name__} {error}")
            await asyncio.sleep(_PAUSE_S)
            return None

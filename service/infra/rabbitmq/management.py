"""RabbitMQ's management API: users, rights, queues, bindings and policies."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

import aiohttp

from schemas.messages.topology import EVENTS_EXCHANGE
from service.errors import BrokerAwayError, FinalError, StartError

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
_FAILURE: Final = 500
"""The first status of an answer that says that another try may succeed."""


@dataclass(frozen=True, slots=True)
class Management:
    """The address of the API, and the virtual host that it is used for, percent-encoded."""

    address: str
    vhost: str

    @classmethod
    def of(cls, url: str) -> "Management":
        """Read `PACKYARD_MANAGEMENT_URL`: the virtual host is its path, as KEDA has it; without one, /."""
        parts = urlsplit(url)
        vhost = unquote(parts.path.rstrip("/").rpartition("/")[2]) or "/"
        return cls(parts._replace(path="", query="", fragment="").geturl(), quoted(vhost))


@asynccontextmanager
async def opened(management: Management) -> AsyncGenerator[aiohttp.ClientSession]:
    """Give a session with the API.

    Raises:
        BrokerAwayError: it cannot be reached, or cannot answer now.
        FinalError: it refuses.
    """
    try:
        async with aiohttp.ClientSession(management.address, raise_for_status=True, timeout=_TIMEOUT) as session:
            yield session
    except aiohttp.ClientResponseError as error:
        place = f"{error.request_info.method} {error.request_info.real_url.path}"
        kind = BrokerAwayError if error.status >= _FAILURE else FinalError
        raise kind(f"PACKYARD_MANAGEMENT_URL: {place} was answered {error.status} {error.message}") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise FinalError(f"PACKYARD_MANAGEMENT_URL: cannot use the management API: {error}") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise BrokerAwayError(f"PACKYARD_MANAGEMENT_URL: cannot use the management API: {reason}") from error


async def require_management(url: str) -> None:
    """Check that the API at *url* answers us.

    Raises:
        BrokerAwayError: it cannot be reached, or cannot answer now.
        FinalError: it refuses us.
    """
    async with opened(Management.of(url)) as session:
        await session.get("/api/whoami")


async def bound_patterns(management: Management, queue: str) -> list[str]:
    """Return the patterns by which a queue is bound to the events.

    Raises:
        StartError: there is none, or the API refuses.
    """
    place = f"/api/bindings/{management.vhost}/e/{EVENTS_EXCHANGE}/q/{quoted(queue)}"
    async with opened(management) as session:
        found = [binding["routing_key"] for binding in await (await session.get(place)).json()]
    if not found:
        raise StartError(f"queue {queue}: does not exist, or is not bound to the events; give --pattern")
    return found


def quoted(name: str) -> str:
    """Return a name as a part of a path."""
    return quote(name, safe="")

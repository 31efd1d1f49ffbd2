"""Broker users with the least rights that do, and what they work with: through RabbitMQ's management API."""

import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

import aiohttp

from schemas.base import Json
from schemas.messages.topology import DEAD_EXCHANGE, EVENTS_EXCHANGE, EVENTS_LOG, EXCHANGES, POLICIES, QUEUES
from schemas.names import Lane
from service.errors import StartError

SUBSCRIBER: Final = "subscriber-"
"""The prefix of a subscriber's name, in the names of passwords."""

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
_SUBSCRIBER_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MISSING: Final = 404


@dataclass(frozen=True, slots=True)
class UserRights:
    """Which names a user may make or delete, write to, and read from; and what it may see of the broker."""

    configure: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    tags: str = ""

    def permissions(self) -> dict[str, str]:
        """Return them as the patterns that RabbitMQ wants; an empty one allows nothing."""
        return {
            "configure": _pattern(self.configure),
            "write": _pattern(self.write),
            "read": _pattern(self.read),
        }


_NAMES: Final = (
    *(re.escape(exchange.name) for exchange in EXCHANGES),
    *(re.escape(queue.name) for queue in QUEUES),
)

USERS: Final[Mapping[str, UserRights]] = {
    # It makes missing exchanges and queues, since it always runs and notices them first.
    "relay": UserRights(configure=_NAMES, write=_NAMES, read=_NAMES),
    "worker": UserRights(
        write=(re.escape(DEAD_EXCHANGE),),
        read=tuple(re.escape(lane.queue) for lane in Lane),
    ),
    # It may ask for the queues of this virtual host alone; `monitoring` would show every connection of the broker.
    "scaler": UserRights(tags="management"),
}
"""The rights of each process that talks to the broker; API and scheduler do not."""


def subscriber_rights(name: str) -> UserRights:
    """Return the rights of a subscriber: its own queues `sub.<name>.…`, bound to the events, and the log of events.

    Raises:
        StartError: the name is none.
    """
    if not _SUBSCRIBER_NAME.fullmatch(name):
        raise StartError(f"subscriber {name!r}: should be lower-case letters and digits, with hyphens between them")
    own = rf"sub\.{name}\..+"
    return UserRights(configure=(own,), write=(own,), read=(own, re.escape(EVENTS_EXCHANGE), re.escape(EVENTS_LOG)))


async def set_up_broker(
    url: str, *, prefix: str, passwords: Mapping[str, str], subscribers: Iterable[str]
) -> list[str]:
    """Make the virtual host, exchanges, queues, policies and users on the broker whose management API is at *url*.

    The virtual host is the path of *url*, as KEDA has it; without one, /. Returns a line for each user. A user that is
    missing is made if *passwords* has one for it. A user that exists is given its rights, and its password if
    *passwords* has one.

    Raises:
        StartError: the management API cannot be reached, or refuses.
    """
    parts = urlsplit(url)
    vhost = unquote(parts.path.rstrip("/").rpartition("/")[2]) or "/"
    rights = {**USERS, **{f"{SUBSCRIBER}{name}": subscriber_rights(name) for name in subscribers}}
    async with _session(parts._replace(path="", query="", fragment="").geturl()) as session:
        await session.put(f"/api/vhosts/{_quoted(vhost)}", json={})
        await _declare(session, _quoted(vhost))
        return [
            await _put_user(session, _quoted(vhost), f"{prefix}-{who}", rights[who], passwords.get(who))
            for who in rights
        ]


async def _declare(session: aiohttp.ClientSession, vhost: str) -> None:
    for exchange in EXCHANGES:
        body: Json = {"type": exchange.kind, "durable": True}
        await session.put(f"/api/exchanges/{vhost}/{_quoted(exchange.name)}", json=body)
    for queue in QUEUES:
        body = {"durable": True, "arguments": dict(queue.arguments)}
        await session.put(f"/api/queues/{vhost}/{_quoted(queue.name)}", json=body)
        binding = f"/api/bindings/{vhost}/e/{_quoted(queue.exchange)}/q/{_quoted(queue.name)}"
        await session.post(binding, json={"routing_key": queue.routing_key})
    for name, policy in POLICIES.items():
        await session.put(f"/api/policies/{vhost}/{name}", json=dict(policy))


async def _put_user(
    session: aiohttp.ClientSession, vhost: str, name: str, rights: UserRights, password: str | None
) -> str:
    address = f"/api/users/{_quoted(name)}"
    found = await _user(session, address)
    if found is None and password is None:
        return f"{name}: is not there, and no password was given to make it with"
    if password is not None:
        await session.put(address, json={"password": password, "tags": rights.tags})
    elif found is not None and _tags(found) != _tags({"tags": rights.tags}):
        kept = {field: found[field] for field in ("password_hash", "hashing_algorithm")}
        await session.put(address, json={**kept, "tags": rights.tags})
    await session.put(f"/api/permissions/{vhost}/{_quoted(name)}", json=rights.permissions())
    done = "made" if found is None else "given a new password" if password is not None else "found"
    return f"{name}: {done}, has its rights"


async def _user(session: aiohttp.ClientSession, address: str) -> Json | None:
    async with session.get(address, raise_for_status=False) as answer:
        if answer.status == _MISSING:
            return None
        answer.raise_for_status()
        found: Json = await answer.json()
        return found


def _tags(user: Json) -> frozenset[str]:
    """Return the tags of a user; before RabbitMQ 3.9 they were one text with commas."""
    tags = user["tags"]
    return frozenset(tag for tag in (tags.split(",") if isinstance(tags, str) else tags) if tag)


@asynccontextmanager
async def _session(url: str) -> AsyncGenerator[aiohttp.ClientSession]:
    try:
        async with aiohttp.ClientSession(url, raise_for_status=True, timeout=_TIMEOUT) as session:
            yield session
    except aiohttp.ClientResponseError as error:
        place = f"{error.request_info.method} {error.request_info.real_url.path}"
        raise StartError(f"PACKYARD_MANAGEMENT_URL: {place} was answered {error.status} {error.message}") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise StartError(f"PACKYARD_MANAGEMENT_URL: cannot use the management API: {reason}") from error


def _pattern(names: tuple[str, ...]) -> str:
    return f"^({'|'.join(names)})$" if names else "^$"


def _quoted(name: str) -> str:
    return quote(name, safe="")

"""Broker users with the least rights that do, and what they work with: through RabbitMQ's management API."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp

from schemas.base import Json
from schemas.messages.topology import DEAD_EXCHANGE, EVENTS_EXCHANGE, EVENTS_LOG, EXCHANGES, POLICIES, QUEUES
from schemas.names import Lane
from service.errors import StartError
from service.infra.rabbitmq.management import Management, opened, quoted

SUBSCRIBER: Final = "subscriber-"
"""The prefix of a subscriber's name, in the names of passwords."""

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
    require_name(name)
    own = rf"{re.escape(queue_prefix(name))}.+"
    return UserRights(configure=(own,), write=(own,), read=(own, re.escape(EVENTS_EXCHANGE), re.escape(EVENTS_LOG)))


def require_name(name: str) -> None:
    """Check the name of a subscriber.

    Raises:
        StartError: it is none.
    """
    if not _SUBSCRIBER_NAME.fullmatch(name):
        raise StartError(f"subscriber {name!r}: should be lower-case letters and digits, with hyphens between them")


def queue_prefix(name: str) -> str:
    """Return what the names of a subscriber's queues begin with."""
    return f"sub.{name}."


async def set_up_broker(
    url: str, *, prefix: str, passwords: Mapping[str, str], subscribers: Iterable[str], keeps_passwords: bool = False
) -> list[str]:
    """Make the virtual host, exchanges, queues, policies and users on the broker whose management API is at *url*.

    The virtual host is the path of *url*, as KEDA has it; without one, /. Returns a line for each user. A user that is
    missing is made if *passwords* has one for it. A user that exists is given its rights, and its password if
    *passwords* has one; if *keeps_passwords*, only if it has none yet.

    Raises:
        StartError: the management API cannot be reached, or refuses.
    """
    found = Management.of(url)
    rights = {**USERS, **{f"{SUBSCRIBER}{name}": subscriber_rights(name) for name in subscribers}}
    async with opened(found) as session:
        await session.put(f"/api/vhosts/{found.vhost}", json={})
        await _declare(session, found.vhost)
        return [
            await _put_user(
                session, found.vhost, f"{prefix}-{who}", rights[who], passwords.get(who), keeps=keeps_passwords
            )
            for who in rights
        ]


async def _declare(session: aiohttp.ClientSession, vhost: str) -> None:
    for exchange in EXCHANGES:
        body: Json = {"type": exchange.kind, "durable": True}
        await session.put(f"/api/exchanges/{vhost}/{quoted(exchange.name)}", json=body)
    for queue in QUEUES:
        body = {"durable": True, "arguments": dict(queue.arguments)}
        await session.put(f"/api/queues/{vhost}/{quoted(queue.name)}", json=body)
        binding = f"/api/bindings/{vhost}/e/{quoted(queue.exchange)}/q/{quoted(queue.name)}"
        await session.post(binding, json={"routing_key": queue.routing_key})
    for name, policy in POLICIES.items():
        await session.put(f"/api/policies/{vhost}/{name}", json=dict(policy))


async def _put_user(
    session: aiohttp.ClientSession, vhost: str, name: str, rights: UserRights, password: str | None, *, keeps: bool
) -> str:
    address = f"/api/users/{quoted(name)}"
    found = await _user(session, address)
    if keeps and found is not None and found["password_hash"]:
        password = None
    if found is None and password is None:
        return f"{name}: is not there, and no password was given to make it with"
    if password is not None:
        await session.put(address, json={"password": password, "tags": rights.tags})
    elif found is not None and _tags(found) != _tags({"tags": rights.tags}):
        kept = {field: found[field] for field in ("password_hash", "hashing_algorithm")}
        await session.put(address, json={**kept, "tags": rights.tags})
    await session.put(f"/api/permissions/{vhost}/{quoted(name)}", json=rights.permissions())
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


def _pattern(names: tuple[str, ...]) -> str:
    return f"^({'|'.join(names)})$" if names else "^$"

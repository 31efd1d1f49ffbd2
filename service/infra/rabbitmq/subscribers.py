"""Subscribers with a queue of their own, made through RabbitMQ's management API.

A subscriber reads its queue, and may bind it anew. It cannot leave the projects and groups that it was given, since
the broker compares each pattern with a regular expression, its rights on topics.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

import aiohttp

from schemas.base import Json
from schemas.messages.topology import EVENTS_EXCHANGE, EVENTS_LOG, POLICIES
from service.configuration.several_hosts import one_host_each
from service.errors import StartError
from service.infra.rabbitmq.management import Management, opened, quoted
from service.infra.rabbitmq.users import SUBSCRIBER, UserRights, queue_prefix, require_name

_POLICY: Final = "packyard-subscribers"
_ANY_WORDS: Final = r"([a-z0-9_*#]+\.)+"
"""Any beginning of a pattern."""
_MISSING: Final = 404


@dataclass(frozen=True, slots=True)
class SubscriberScope:
    """The events that a subscriber may see."""

    project_ids: Sequence[int] = ()
    root_group_ids: Sequence[int] = ()
    is_all: bool = False

    def patterns(self, topics: Sequence[str] = ()) -> list[str]:
        """Return what its queue is bound by; *topics* (`<entity>.<action>`): only these."""
        if self.is_all:
            return [f"{topic}.#" for topic in topics] or ["#"]
        ends = [f"*.{group}.*" for group in self.root_group_ids] + [f"*.*.{project}" for project in self.project_ids]
        return [f"{topic}.{end}" for end in ends for topic in topics or ("*.*",)]

    def allowed(self) -> str:
        """Return the regular expression of the patterns that it may bind."""
        # A key has five words, the last two of them ids. So a pattern that ends with a project, or with a group and one
        # more word, matches nothing of another, whatever its beginning is.
        if self.is_all:
            return ".*"
        projects, groups = (_one_of(ids) for ids in (self.project_ids, self.root_group_ids))
        choices = [rf"{groups}\.([0-9]+|\*)"] * bool(self.root_group_ids) + [projects] * bool(self.project_ids)
        return f"^{_ANY_WORDS}({'|'.join(choices)})$"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscriber that was made."""

    user: str
    password: str
    queue: str
    patterns: Sequence[str]

    def address(self, broker_url: str) -> str:
        """Return the address that the subscriber uses, at the broker that we use: its first host, if it has several."""
        parts = urlsplit(one_host_each(broker_url)[0])
        place = parts.netloc.rpartition("@")[2]
        secret = quote(self.password, safe="")
        return parts._replace(netloc=f"{self.user}:{secret}@{place}").geturl()


@dataclass(frozen=True, slots=True)
class SubscriberReport:
    """A subscriber as the broker has it; None for what it cannot say now."""

    name: str
    queue: str
    patterns: Sequence[str]
    events: int | None
    """Events in its queue, those included that it has not acknowledged."""
    consumers: int | None


class Subscribers:
    """The subscribers of one virtual host."""

    def __init__(self, url: str, *, prefix: str) -> None:
        """Use the management API at *url*; the names of users begin with *prefix*."""
        self._management = Management.of(url)
        self._begin = f"{prefix}-{SUBSCRIBER}"

    async def add(self, name: str, password: str, scope: SubscriberScope, topics: Sequence[str] = ()) -> Subscription:
        """Make a subscriber with its queue and bindings.

        Raises:
            StartError: the name is none or taken, or the management API refuses.
        """
        require_name(name)
        user, queue, vhost = self._user(name), _queue(name), self._management.vhost
        patterns = scope.patterns(topics)
        async with opened(self._management) as session:
            if await _found(session, f"/api/users/{quoted(user)}"):
                removal = f"`packyard subscribers remove {name} --yes`"
                raise StartError(
                    f"subscriber {name}: is there already; {removal} removes it, with the events that wait"
                )
            await session.put(f"/api/policies/{vhost}/{_POLICY}", json=dict(POLICIES[_POLICY]))
            await session.put(f"/api/queues/{vhost}/{queue}", json=_QUORUM)
            for pattern in patterns:
                await session.post(_bindings(vhost, queue), json={"routing_key": pattern})
            await session.put(f"/api/users/{quoted(user)}", json={"password": password, "tags": ""})
            # The rights on topics come first, so that the user never is without them.
            await session.put(
                f"/api/topic-permissions/{vhost}/{quoted(user)}",
                json={"exchange": EVENTS_EXCHANGE, "write": "^$", "read": scope.allowed()},
            )
            await session.put(f"/api/permissions/{vhost}/{quoted(user)}", json=_rights(queue, scope).permissions())
        return Subscription(user, password, queue, patterns)

    async def remove(self, name: str) -> None:
        """Remove a subscriber with its queue; its connections end.

        Raises:
            StartError: there is none, or the management API refuses.
        """
        require_name(name)
        async with opened(self._management) as session:
            if not await _found(session, f"/api/users/{quoted(self._user(name))}"):
                raise StartError(f"there is no subscriber {name}")
            await session.delete(f"/api/users/{quoted(self._user(name))}")
            queue = f"/api/queues/{self._management.vhost}/{_queue(name)}"
            if await _found(session, queue):
                await session.delete(queue)

    async def listed(self) -> list[SubscriberReport]:
        """Return all subscribers, by name."""
        async with opened(self._management) as session:
            users = await (await session.get("/api/users")).json()
            names = sorted(user["name"] for user in users if user["name"].startswith(self._begin))
            return [await self._report(session, name.removeprefix(self._begin)) for name in names]

    async def _report(self, session: aiohttp.ClientSession, name: str) -> SubscriberReport:
        queue, vhost = _queue(name), self._management.vhost
        found = await _found(session, f"/api/queues/{vhost}/{queue}")
        bindings = await (await session.get(_bindings(vhost, queue))).json() if found else []
        patterns = sorted(binding["routing_key"] for binding in bindings)
        return SubscriberReport(name, queue, patterns, found.get("messages"), found.get("consumers"))

    def _user(self, name: str) -> str:
        return f"{self._begin}{name}"


_QUORUM: Final = {"durable": True, "arguments": {"x-queue-type": "quorum"}}


def _queue(name: str) -> str:
    return f"{queue_prefix(name)}v1"


def _rights(queue: str, scope: SubscriberScope) -> UserRights:
    own = re.escape(queue)
    log = (re.escape(EVENTS_LOG),) if scope.is_all else ()
    return UserRights(write=(own,), read=(own, re.escape(EVENTS_EXCHANGE), *log))


def _bindings(vhost: str, queue: str) -> str:
    return f"/api/bindings/{vhost}/e/{EVENTS_EXCHANGE}/q/{queue}"


async def _found(session: aiohttp.ClientSession, address: str) -> Json:
    async with session.get(address, raise_for_status=False) as answer:
        if answer.status == _MISSING:
            return {}
        answer.raise_for_status()
        found: Json = await answer.json()
        return found


def _one_of(ids: Sequence[int]) -> str:
    return f"({'|'.join(map(str, ids))})"

"""A receiver of webhooks: an HTTP server in the process of the test."""

import asyncio
import base64
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Final, TypeAlias

from aiohttp import web
from pydantic import SecretStr

from service.context import Context
from service.infra.egress.addresses import AllowedAddresses
from service.infra.egress.sending import HttpSender, open_sender
from tests.support.stepwise import with_settings
from workers.deliverer.session import Deliverer
from workers.relay.events import number_once

SECRET_KEY: Final = base64.urlsafe_b64encode(b"0123456789abcdef" * 2).decode()
LOOPBACK: Final = (ip_network("127.0.0.0/8"),)

Answering: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Received:
    """One request that came."""

    headers: Mapping[str, str]
    body: bytes
    at: float = field(default_factory=time.time)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass(slots=True)
class Receiver:
    """Notes what comes, and answers as a test says."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    """The next answers; 200 when there are no more."""
    answering: Answering | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.received.append(Received(dict(request.headers), await request.read()))
        self.came.set()
        if self.answering is not None:
            return await self.answering(request)
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(status=status, text="thanks", headers={"X-Own": "yes"})


@asynccontextmanager
async def receiving(ssl: Any = None) -> AsyncGenerator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl)
        await site.start()
        receiver.url = f"{'https' if ssl else 'http'}://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield receiver
    finally:
        await runner.cleanup()


def with_webhooks(context: Context, **settings: object) -> Context:
    """Return the context with a key, and leave to send to this machine."""
    usual = {"secret_keys": (SecretStr(SECRET_KEY),), "webhook_allowed_networks": LOOPBACK}
    return with_settings(context, **(usual | settings))


@asynccontextmanager
async def delivering(context: Context, *, timeout_s: float = 2.0) -> AsyncGenerator[HttpSender]:
    """Open a sender as a deliverer has it."""
    async with open_sender(AllowedAddresses(context.settings.webhook_allowed_networks), timeout_s=timeout_s) as sender:
        yield sender


async def deliver_once(context: Context, sender: HttpSender) -> int:
    """Number what is in the outbox, and work once on each webhook for which something is due; return how many."""
    await number_once(context)
    deliverer = Deliverer(context, sender, asyncio.Event())
    await deliverer.scan()
    claimed = await deliverer.claim()
    for webhook in claimed:
        await deliverer.work_on(webhook)
    return len(claimed)

"""The deliverer as a process: several may run, and each webhook is worked on by one of them at a time."""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog

from service.context import Context
from service.infra.egress.addresses import AllowedAddresses
from service.infra.egress.sending import HttpSender, open_sender
from service.webhooks import queue, secret_rows
from service.webhooks.rows import Webhook
from service.webhooks.secrets import SecretBox, UnreadableSecretError
from workers.deliverer.hook import WebhookWork
from workers.deliverer.posting import Posting
from workers.deliverer.progress import ClaimLostError, Progress
from workers.runtime.loops import reopen_until, wait_for_any

_POLL: Final = timedelta(seconds=1)
"""How often webhooks that are due are claimed when no notification comes."""
_TURN_S: Final = 20.0
"""How long one webhook is worked on before others may have its place."""
_LEASE_BEYOND_TIMEOUT: Final = timedelta(seconds=10)
"""A claim is renewed between requests, so it has to outlast one of them."""
_SLOW_AFTER_S: Final = 1.0
"""A webhook that has waited this long for one answer no longer counts as one that takes a place."""
_MOST_SLOW: Final = 3
"""How many times as many webhooks as there are places may be slow at the same time."""
_PAUSE_WITHOUT_SECRETS: Final = timedelta(minutes=5)

log = structlog.get_logger()


async def run_deliverer(context: Context, stop: asyncio.Event) -> None:
    """Deliver until *stop*, and then end with the requests under way, each of which takes up to `WEBHOOK_TIMEOUT`."""
    settings = context.settings
    allowed = AllowedAddresses(settings.webhook_allowed_networks)
    async with open_sender(allowed, timeout_s=settings.webhook_timeout.total_seconds()) as sender:
        await reopen_until(stop, lambda: Deliverer(context, sender, stop).run())


class Deliverer:
    """Finds webhooks for which something is due, and works on many of them at the same time."""

    def __init__(self, context: Context, sender: HttpSender, stop: asyncio.Event) -> None:
        """Send with *sender* until *stop*."""
        self._context = context
        self._database = context.database
        self._box = SecretBox(context.settings.secret_keys)
        self._lease = context.settings.webhook_timeout + _LEASE_BEYOND_TIMEOUT
        self._most = context.settings.webhook_concurrency
        self._sender = sender
        self._stop = stop
        self._clock = asyncio.get_running_loop().time
        self._moved_at: dict[int, float] = {}
        """By the id of each webhook under way: when it last did something."""
        self._failing = 0
        self._freed = asyncio.Event()

    async def run(self) -> None:
        """Deliver until *stop* is set, or the database goes away."""
        await secret_rows.renew_secrets(self._database, self._box)
        log.info("deliverer_active", webhooks=self._most)
        async with self._database.listen("packyard_events") as listening, asyncio.TaskGroup() as group:
            with self._context.vitals.loop("deliverer") as beat:
                while not self._stop.is_set():
                    listening.heard.clear()
                    self._freed.clear()
                    await self.scan()
                    for webhook in await self.claim():
                        group.create_task(self.work_on(webhook))
                    beat()
                    await wait_for_any(self._stop, listening.heard, self._freed, within=_POLL)

    async def scan(self) -> None:
        """Note all new events of the log at the webhooks that want them."""
        read = queue.SCANNED
        while read == queue.SCANNED and not self._stop.is_set():
            async with self._database.connection() as connection:
                read = await queue.scan(connection)

    async def claim(self) -> list[Webhook]:
        """Claim as many webhooks as there are places."""
        fresh = sum(self._clock() - moved < _SLOW_AFTER_S for moved in self._moved_at.values())
        free = min(self._most - fresh, self._most * (1 + _MOST_SLOW) - len(self._moved_at))
        if free <= 0:
            return []
        most_failing = max(0, min(free, self._most // 2 - self._failing))
        async with self._database.connection() as connection:
            found = await queue.claim(
                connection, token=uuid4(), lease=self._lease, limit=free, most_failing=most_failing
            )
        self._moved_at |= dict.fromkeys((webhook.id for webhook in found), self._clock())
        self._failing += sum(webhook.failing_since is not None for webhook in found)
        return found

    async def work_on(self, webhook: Webhook) -> None:
        """Deliver what is due for one claimed webhook, and give up the claim."""
        try:
            await self._deliver(webhook)
            async with self._database.transaction() as connection:
                await queue.release(connection, webhook)
        except ClaimLostError:
            log.info("webhook_claim_lost", webhook_id=webhook.id)
        finally:
            self._moved_at.pop(webhook.id, None)
            self._failing -= webhook.failing_since is not None
            self._freed.set()

    async def _deliver(self, webhook: Webhook) -> None:
        try:
            async with self._database.connection() as connection:
                secrets = await secret_rows.read_secrets(connection, webhook.id, self._box)
        except UnreadableSecretError as error:
            log.warning("webhook_secrets_unreadable", webhook_id=webhook.id, reason=str(error))
            async with self._database.connection() as connection:
                await queue.note_failure(connection, webhook, pause=_PAUSE_WITHOUT_SECRETS)
            return
        ends = self._clock() + _TURN_S

        def is_over() -> bool:
            now = self._moved_at[webhook.id] = self._clock()
            return self._stop.is_set() or now > ends

        progress = Progress(self._database, webhook, self._lease)
        posting = Posting(self._sender, webhook, secrets)
        work = WebhookWork(self._database, posting, webhook, progress, is_over)
        await work.deliver_rows()
        await work.deliver_events()
        await progress.note()

"""How far one webhook came, written down now and then; each time, the claim is kept."""

import asyncio
from datetime import timedelta
from typing import Final

from service.infra.postgres.database import Database
from service.webhooks import queue
from service.webhooks.rows import Webhook

_NOTE_EVERY_S: Final = 0.2
"""How often the position is written. A deliverer that is killed leaves what it sent since to be sent again."""


class ClaimLostError(Exception):
    """Another process has the webhook, or it was deleted."""


class Progress:
    """The position of a claimed webhook in the log."""

    def __init__(self, database: Database, webhook: Webhook, lease: timedelta) -> None:
        """Begin where the webhook is."""
        self.position = webhook.position
        self.wanted = webhook.wanted
        self._database = database
        self._webhook = webhook
        self._lease = lease
        self._clock = asyncio.get_running_loop().time
        self._noted_at = self._clock()
        self._has_delivered = False

    def deliver(self) -> None:
        """Remember that something was delivered."""
        self._has_delivered = True

    async def note(self) -> None:
        """Write the position down, keep the claim, and learn of newer events.

        Raises:
            ClaimLostError: the claim is lost.
        """
        async with self._database.connection() as connection:
            wanted = await queue.note_progress(
                connection, self._webhook, self.position, lease=self._lease, has_delivered=self._has_delivered
            )
        if wanted is None:
            raise ClaimLostError
        self.wanted = wanted
        self._noted_at = self._clock()
        self._has_delivered = False

    async def note_now_and_then(self) -> None:
        """Write it down if the last time is long enough ago."""
        if self._clock() - self._noted_at >= _NOTE_EVERY_S:
            await self.note()

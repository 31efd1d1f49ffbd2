"""`packyard events replay`: events of the log once more, for one queue."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import click

from schemas.fields import Duration
from schemas.messages.event_patterns import matches
from service.context import open_catalogue
from service.errors import StartError
from service.feed.replay import number_before, replayed
from service.infra.postgres.database import Database
from service.infra.postgres.outages import one_line_for_outages
from service.infra.rabbitmq.broker import open_broker
from service.infra.rabbitmq.consuming import BrokerUnavailableError
from service.infra.rabbitmq.management import Management, bound_patterns
from service.refusals import FeedMovedOnError
from service.settings import Settings
from workers.cli.options import TEXT, command_settings, patterns_option, validated
from workers.runtime.signals import run_process, until_stopped


def _read_since(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    past: timedelta = validated(Duration, value, name="--since")
    return datetime.now(UTC) - past


@click.command()
@click.option("--to", "queue", required=True, type=TEXT, help="The queue that gets them, such as sub.shop.v1.")
@click.option("--since", callback=_read_since, help="Begin with what was recorded in this time, such as 2h.")
@click.option("--after", type=click.IntRange(min=0), help="Begin behind the event with this number.")
@patterns_option("Routing keys to send.  [default: what the queue is bound by]")
def replay(*, queue: str, since: datetime | None, after: int | None, patterns: tuple[str, ...]) -> None:
    """Send events of the log to one queue once more, in their order.

    They have the same ids and bytes as before, so a subscriber that remembers ids drops those that it has. The header
    packyard-replay says that it is a replay. No other queue gets them.

    Without --pattern, PACKYARD_MANAGEMENT_URL is needed to read the bindings of the queue. The user of
    PACKYARD_BROKER_URL has to be one that may write to the default exchange.
    """
    if (since is None) == (after is None):
        raise click.UsageError("give either --since or --after")
    settings = command_settings({"database_url", "broker_url"})
    if since is not None and since < datetime.now(UTC) - settings.event_retention:
        click.echo("older events than PACKYARD_EVENT_RETENTION says may be gone, and are left out then", err=True)
    sent = _Sent()
    try:
        run_process(lambda stop: until_stopped(stop, _replay(settings, _Replay(queue, since, after, patterns), sent)))
    finally:
        if sent.last or sent.is_whole:
            click.echo(sent.summary(queue))


class _Replay:
    """The events that are asked for, and the queue that gets them."""

    def __init__(self, queue: str, since: datetime | None, after: int | None, patterns: Sequence[str]) -> None:
        self.queue = queue
        self._since = since
        self._after = after
        self._patterns = patterns

    async def begin(self, database: Database) -> int:
        """Return the number to begin behind."""
        if self._after is not None or self._since is None:
            return self._after or 0
        async with database.connection() as connection:
            return await number_before(connection, self._since)

    async def patterns(self, settings: Settings) -> Sequence[str]:
        """Return the patterns of the events that are sent."""
        if self._patterns:
            return self._patterns
        if settings.management_url is None:
            raise StartError("give --pattern, or set PACKYARD_MANAGEMENT_URL for the bindings of the queue")
        return await bound_patterns(Management.of(settings.management_url.get_secret_value()), self.queue)


class _Sent:
    """The events that were sent."""

    def __init__(self) -> None:
        self.count = 0
        self.last = 0
        self.is_whole = False

    def summary(self, queue: str) -> str:
        """Return the line that a user gets in the end."""
        more = f"; the last one read is {self.last}" if self.last else ""
        return f"sent {self.count:,} events to {queue}{more}"


async def _replay(settings: Settings, wanted: _Replay, sent: _Sent) -> None:
    try:
        with one_line_for_outages():
            async with (
                open_catalogue(settings, connections=1) as database,
                open_broker(settings.broker_url.get_secret_value(), name="packyard-replay") as broker,
            ):
                patterns = await wanted.patterns(settings)
                publisher = await broker.queue_publisher(wanted.queue)
                async with aclosing(replayed(database, await wanted.begin(database))) as batches:
                    async for batch in batches:
                        chosen = [e for e in batch if any(matches(pattern, e.routing_key) for pattern in patterns)]
                        await publisher.publish(chosen)
                        sent.count, sent.last = sent.count + len(chosen), batch[-1].sequence
                sent.is_whole = True
    except FeedMovedOnError as error:
        raise StartError(error.text.format(*error.args)) from None
    except BrokerUnavailableError as error:
        raise StartError(f"PACKYARD_BROKER_URL: {str(error) or type(error).__name__}") from error

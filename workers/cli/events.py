"""`packyard events`: watching what happens, and what there is to watch."""

import asyncio
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib.metadata import version
from typing import Final

import click
from pydantic_core import to_json
from rich.console import Console

from schemas.fields import Duration
from schemas.messages.document import event_document
from schemas.messages.event_patterns import matches
from service.errors import StartError
from service.infra.rabbitmq.broker import Broker, open_broker
from service.infra.rabbitmq.consuming import BrokerUnavailableError, Consumer, Delivery
from workers.cli.event_lines import event_line
from workers.cli.options import command_settings, one_of, patterns_option, validated
from workers.cli.replay import replay
from workers.runtime.output import stopped_by_reader
from workers.runtime.signals import run_process

_TAKE: Final = 100


class _Form(StrEnum):
    LINE = "line"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class _Selection:
    """Which events to print, and how."""

    patterns: tuple[str, ...]
    since: datetime | None
    count: int | None
    form: _Form

    def wants(self, delivery: Delivery) -> bool:
        """Return whether an event of the log is one of these."""
        published_at = delivery.published_at
        is_early = self.since is not None and published_at is not None and published_at < self.since
        return not is_early and any(matches(pattern, delivery.routing_key) for pattern in self.patterns)


def _read_since(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    past: timedelta = validated(Duration, value, name="--since")
    if not past:
        raise click.BadParameter("should be more than 0", ctx, param)
    # The broker notes whole seconds.
    return (datetime.now(UTC) - past).replace(microsecond=0)


@click.group()
def events() -> None:
    """Watch events, and send them once more."""


@events.command()
@patterns_option(
    "Routing keys to show, such as package.destroyed.#, with * for one word and # for any number.  [default: #]"
)
@click.option(
    "--since", callback=_read_since, help="Begin with what was published in this time, such as 1h; seven days are kept."
)
@click.option("--count", type=click.IntRange(min=1), help="Stop after that many events.")
@click.option(
    "-o",
    "--output",
    "form",
    type=one_of(_Form),
    help="A short line, or a JSON object on a line.  [default: line at a terminal, json elsewhere]",
)
def tail(*, patterns: tuple[str, ...], since: datetime | None, count: int | None, form: str | None) -> None:
    """Print events as they come, one a line, until Ctrl-C."""
    url = command_settings({"broker_url"}).broker_url.get_secret_value()
    usual = _Form.LINE if sys.stdout.isatty() else _Form.JSON
    selection = _Selection(patterns or ("#",), since, count, _Form(form or usual))
    run_process(lambda stop: _tail(url, selection, stop))


@events.command()
def document() -> None:
    """Print what subscribers may hear, as an AsyncAPI document."""
    click.echo(to_json(event_document(version("packyard")), indent=2))


events.add_command(replay)


async def _tail(url: str, selection: _Selection, stop: asyncio.Event) -> None:
    try:
        async with open_broker(url, name="packyard-tail") as broker:
            consumer = await _consumer(broker, selection)
            click.echo("waiting for events", err=True)
            with stopped_by_reader(stop):
                await _print_all(consumer, selection, stop)
    except BrokerUnavailableError as error:
        raise StartError(f"PACKYARD_BROKER_URL: {str(error) or type(error).__name__}") from error


async def _consumer(broker: Broker, selection: _Selection) -> Consumer:
    if selection.since is not None:
        return await broker.replayer(selection.since)
    return await broker.subscriber(selection.patterns)


async def _print_all(consumer: Consumer, selection: _Selection, stop: asyncio.Event) -> None:
    printed = 0
    while not stop.is_set():
        if not await consumer.is_alive():
            raise ConnectionResetError("the broker closed the connection")
        for delivery in await consumer.take(_TAKE, within=0.5):
            if selection.wants(delivery):
                _print(delivery, selection.form)
                printed += 1
            await delivery.ack()
            if printed == selection.count:
                return


def _print(delivery: Delivery, form: _Form) -> None:
    line = delivery.body.decode(errors="replace")
    if form is _Form.LINE:
        line = event_line(delivery.body, now=datetime.now().astimezone(), width=Console().width)
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

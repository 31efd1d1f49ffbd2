"""`packyard events`: watching what happens, and what there is to watch."""

import asyncio
import sys
from importlib.metadata import version

import click
from pydantic_core import to_json

from schemas.event_document import event_document
from service.errors import StartError
from service.infra.broker import open_broker
from service.infra.consuming import BrokerUnavailableError
from workers.cli.options import command_settings
from workers.process import run_process

_TAKE: int = 100


@click.group()
def events() -> None:
    """Watch deletion events."""


@events.command()
@click.option("--pattern", "patterns", multiple=True, default=("#",), show_default=True, help="Routing keys to show.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after that many events.")
def tail(patterns: tuple[str, ...], count: int | None) -> None:
    """Print events as they come, one JSON object a line, until Ctrl-C."""
    url = command_settings().broker_url.get_secret_value()
    run_process(lambda stop: _tail(url, patterns, count, stop))


@events.command()
def document() -> None:
    """Print what subscribers may hear, as an AsyncAPI document."""
    click.echo(to_json(event_document(version("packyard")), indent=2))


async def _tail(url: str, patterns: tuple[str, ...], count: int | None, stop: asyncio.Event) -> None:
    left = count
    try:
        async with open_broker(url, name="packyard-tail") as broker:
            subscriber = await broker.subscriber(patterns)
            click.echo("waiting for events", err=True)
            while not stop.is_set() and left != 0:
                if not await subscriber.is_alive():
                    raise ConnectionResetError("the broker closed the connection")
                for delivery in await subscriber.take(_TAKE if left is None else left, within=0.5):
                    sys.stdout.write(delivery.body.decode() + "\n")
                    sys.stdout.flush()
                    await delivery.ack()
                    left = None if left is None else left - 1
    except BrokerUnavailableError as error:
        raise StartError(f"PACKYARD_BROKER_URL: {str(error) or type(error).__name__}") from error

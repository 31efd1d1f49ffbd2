"""The long-running processes, one command each, and what prepares for them."""

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta

import click
import structlog

from schemas.fields import Duration
from schemas.names import Lane
from service import event_loop
from service.context import Context, open_context
from service.infra.postgres.schema_version import wait_for_schema
from service.logs import configure_logs
from service.observing.liveness import Vitals
from service.observing.servers import OF_EVERY_PROCESS, ObservedServer, Servers
from service.settings import EVERY_SERVER, described
from workers.cli.options import MOST_USE, command_settings, settings_of_file, validated
from workers.runtime.signals import run_process

log = structlog.get_logger()


@click.command()
def serve() -> None:
    """Run the HTTP API."""
    from service.app import run_api  # other processes do without HTTP

    _run("api", run_api)


@click.command()
def relay() -> None:
    """Run the relay: numbers events, hands the outbox to the broker. Several may run, one is active."""
    from workers.relay.session import run_relay  # the API does without a broker

    _run("relay", run_relay, needs_broker=True)


@click.command()
@click.option("--queue", "queues", default="interactive,bulk", show_default=True, help="The queues to take from.")
def work(queues: str) -> None:
    """Run a deletion worker. Run as many as the queues are long."""
    from workers.deleter.session import run_deleter  # the API does without a broker

    lanes = _read_lanes(queues)
    _run("worker", lambda context, stop: run_deleter(context, lanes, stop), needs_broker=True)


@click.command()
def schedule() -> None:
    """Run the scheduler: makes due what waits. Several may run, one is active."""
    from workers.scheduler import run_scheduler  # the API does without it

    _run("scheduler", run_scheduler)


@click.command()
def deliver() -> None:
    """Run a deliverer: posts events to webhooks. Several may run, they share the webhooks."""
    from workers.deliverer.session import run_deliverer  # the API sends nothing

    _run("deliverer", run_deliverer)


@click.command()
@click.option(
    "--wait", "patience", help="Migrate nothing: wait up to this time, such as 10m, until another process has migrated."
)
def migrate(patience: str | None) -> None:
    """Bring the database to the newest version of the schema."""
    if patience is not None:
        within: timedelta = validated(Duration, patience, name="--wait")
        settings = command_settings({"database_url"})
        configure_logs(settings.log_level, settings.log_format, process="migrate")
        version = event_loop.run(wait_for_schema(settings.database_url, patience=within))
        click.echo(f"the database is at schema version {version} or newer")
        return
    from service.infra.postgres.migrations.run import migrate as migrate_database  # alembic is slow to load

    settings = command_settings({"database_url"})
    version = migrate_database(settings.database_url.get_secret_value())
    click.echo(f"the database is at schema version {version}")


@click.command()
@click.option(
    "--for", "patience", default="15m", show_default=True, help="For how long; then it fails with the reason."
)
@click.option("--broker", "with_broker", is_flag=True, help="Wait for the broker, too, as relay and workers need it.")
def wait(patience: str, *, with_broker: bool) -> None:
    """Wait until a process could start: database with its schema, and object store, can be used.

    For an init container: a process that starts while a server is away would end.
    """
    from workers.runtime.broker_wait import wait_for_servers  # the API does without a broker

    within: timedelta = validated(Duration, patience, name="--for")
    settings = command_settings(EVERY_SERVER if with_broker else MOST_USE)
    configure_logs(settings.log_level, settings.log_format, process="wait")
    event_loop.run(wait_for_servers(settings, patience=within, with_broker=with_broker))
    click.echo("the servers can be used")


@click.command()
def idle() -> None:
    """Do nothing until SIGTERM: keeps a pod for the commands of operators."""

    async def wait_for(stop: asyncio.Event) -> None:
        await stop.wait()

    run_process(wait_for)


@click.command("settings")
def print_settings() -> None:
    """Print every setting with its value and meaning, secrets masked; fails when one is missing or wrong."""
    for name, (value, meaning) in described(defaults=settings_of_file()).items():
        click.echo(f"{name}={value}\n    {meaning}")
    command_settings(EVERY_SERVER)


def _run(
    process: str, body: Callable[[Context, asyncio.Event], Awaitable[None]], *, needs_broker: bool = False
) -> None:
    from service.monitor import monitored  # HTTP is slow to load for a command that fails early

    settings = command_settings(EVERY_SERVER if needs_broker else MOST_USE)
    configure_logs(settings.log_level, settings.log_format, process=process)

    async def run(stop: asyncio.Event) -> None:
        log.info("process_started", pid=os.getpid())
        servers = Servers(OF_EVERY_PROCESS | {ObservedServer.BROKER} if needs_broker else OF_EVERY_PROCESS)
        async with open_context(settings, vitals=Vitals(stop), servers=servers) as context, monitored(context):
            # Modules stay for good. A full collection would else go through them, and hold up all others for 65 ms.
            gc.freeze()
            await body(context, stop)

    run_process(run)


def _read_lanes(queues: str) -> list[Lane]:
    names = [name.strip() for name in queues.split(",")]
    unknown = [name for name in names if name not in set(Lane)]
    if unknown:
        known = " and ".join(Lane)
        raise click.BadParameter(f"there is no queue {unknown[0]!r}, only {known}", param_hint="--queue")
    return [Lane(name) for name in dict.fromkeys(names)]

"""`packyard set-up`: all that prepares the servers, in one process whose log shows the steps."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import click

from schemas.fields import Duration
from service import event_loop
from service.errors import StartError
from service.logs import configure_logs
from workers.cli.directory import apply
from workers.cli.options import command_settings, management_address, validated
from workers.cli.roles import give_rights, prepare_broker, with_prefix

_LEAST: Final = timedelta(seconds=10)
"""The least time that a later step may wait, even if an earlier one has used up all."""

_folder = click.Path(file_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The steps besides the migration."""

    prefix: str
    has_roles: bool
    database_passwords: Path | None
    has_broker: bool
    broker_passwords: Path | None
    directory: Path | None


class _Clock:
    """The time that is left to wait for servers."""

    def __init__(self, patience: timedelta) -> None:
        self._end = time.monotonic() + patience.total_seconds()

    def left(self) -> timedelta:
        """Return it."""
        return max(_LEAST, timedelta(seconds=self._end - time.monotonic()))


@click.command("set-up")
@click.option(
    "--for", "patience", default="4m", show_default=True, help="For how long it waits for servers that are away."
)
@click.option("--roles", "has_roles", is_flag=True, help="Give each process its own role in the database.")
@click.option("--database-passwords", type=_folder, help="The passwords of roles that cannot log in yet.")
@click.option("--broker", "has_broker", is_flag=True, help="Make exchanges, queues, policies and users on the broker.")
@click.option("--broker-passwords", type=_folder, help="The passwords of users that have none yet.")
@with_prefix
@click.option("--directory", type=click.Path(path_type=Path), help="Apply this directory file in the end.")
@click.pass_context
def set_up(context: click.Context, /, *, patience: str, **wanted: object) -> None:
    """Prepare database and broker, as the chart does at each install and upgrade.

    It waits for a server that is away. It ends immediately for what does not mend itself, such as a wrong password. A
    role or user that has a password keeps it, so that a password that was rotated stays.
    """
    within: timedelta = validated(Duration, patience, name="--for")
    settings = command_settings({"database_url"})
    configure_logs(settings.log_level, settings.log_format, process="set-up")
    steps = _steps(context, _Wanted(**wanted), _Clock(within))  # type: ignore[arg-type]  # click has checked them
    for number, (title, step) in enumerate(steps, 1):
        click.echo(f"step {number} of {len(steps)}: {title}")
        try:
            step()
        except StartError as error:
            raise StartError(f"step {number} of {len(steps)} ({title}): {error}") from error
    click.echo("done")


def _steps(context: click.Context, wanted: _Wanted, clock: _Clock) -> Sequence[tuple[str, Callable[[], None]]]:
    url = command_settings({"database_url"}).database_url.get_secret_value()
    steps: list[tuple[str, Callable[[], None]]] = [
        ("wait for the database", lambda: _wait_for_database(url, clock)),
        ("migrate", lambda: _migrate(url, clock)),
    ]
    if wanted.has_roles:
        steps.append(
            (
                "roles of the database",
                lambda: give_rights(url, prefix=wanted.prefix, folder=wanted.database_passwords, keeps=True),
            )
        )
    if wanted.has_broker:
        management = management_address()
        steps += [
            ("wait for the broker", lambda: _wait_for_broker(management, clock)),
            (
                "queues and users of the broker",
                lambda: prepare_broker(
                    management, prefix=wanted.prefix, folder=wanted.broker_passwords, subscribers=(), keeps=True
                ),
            ),
        ]
    if wanted.directory is not None:
        file = wanted.directory
        steps.append(("directory", lambda: context.invoke(apply, file=file, dry_run=False, is_sure=True, force=False)))
    return steps


def _wait_for_database(url: str, clock: _Clock) -> None:
    from service.infra.postgres.waiting import wait_for_database  # a driver

    event_loop.run(wait_for_database(url, patience=clock.left()))


def _migrate(url: str, clock: _Clock) -> None:
    from service.infra.postgres.migrations.run import migrate  # alembic is slow to load

    click.echo(f"the database is at schema version {migrate(url, patience=clock.left())}")


def _wait_for_broker(url: str, clock: _Clock) -> None:
    from service.infra.postgres.waiting import repeat_until_done
    from service.infra.rabbitmq.management import require_management

    waiting = repeat_until_done(lambda: require_management(url), patience=clock.left(), event="waiting_for_broker")
    event_loop.run(waiting)

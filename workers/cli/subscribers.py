"""`packyard subscribers`: queues on the broker for others, with a user that sees no more than it may."""

import secrets
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from schemas.messages.event_patterns import TOPICS
from service import event_loop
from service.access.rows import Group
from service.context import Context
from service.errors import StartError
from workers.cli.options import TEXT, command_settings, management_address
from workers.cli.outputs import Output, output_option, print_json, print_names
from workers.cli.run_use_case import find_group, find_project, run_use_case
from workers.cli.tables import Column, print_table

if TYPE_CHECKING:
    from service.infra.rabbitmq.subscribers import Subscribers, SubscriberScope

_COLUMNS: Final = (
    Column("name"),
    Column("events", is_number=True),
    Column("consumers", is_number=True),
    Column("queue", 1),
    Column("bound by", 2, is_text=True),
)

_prefix = click.option("--prefix", default="packyard", show_default=True, help="The prefix of the names of users.")


@click.group()
def subscribers() -> None:
    """Queues of events for others, on the broker.

    Each has a user with the rights to one queue. PACKYARD_MANAGEMENT_URL has to be an administrator's.
    """


@subscribers.command()
@click.argument("name", type=TEXT)
@click.option("--project", "projects", multiple=True, type=TEXT, help="Events of this project (number or full path).")
@click.option("--group", "groups", multiple=True, type=TEXT, help="Events of everything below this root group.")
@click.option("--all", "is_all", is_flag=True, help="All events, and the stream of the last seven days.")
@click.option("--type", "topics", multiple=True, type=click.Choice(TOPICS), help="Only events of this type, at first.")
@_prefix
def add(
    *, name: str, projects: tuple[str, ...], groups: tuple[str, ...], is_all: bool, topics: tuple[str, ...], prefix: str
) -> None:
    """Make a subscriber with its queue, and print the address to use.

    NAME is in lower-case letters and digits, with hyphens between them. The password is in the address, and is printed
    this once. The subscriber reads the queue sub.NAME.v1, and may bind it anew within its projects and groups. Routing
    keys hold root groups and projects; for another group, use its feed over HTTP.
    """
    if bool(projects or groups) == is_all:
        raise click.UsageError("give --project or --group, or else --all")
    settings = command_settings({"broker_url"})
    made = _subscribers(prefix)
    scope = _scope(projects, groups)
    added = event_loop.run(made.add(name, secrets.token_urlsafe(24), scope, topics))
    click.echo(f"queue:    {added.queue}, bound by {', '.join(added.patterns)}", err=True)
    click.echo("address:  ", err=True, nl=False)
    click.echo(added.address(settings.broker_url.get_secret_value()))


@subscribers.command()
@click.argument("name", type=TEXT)
@click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask.")
@_prefix
def remove(*, name: str, is_sure: bool, prefix: str) -> None:
    """Remove a subscriber, with its queue and the events in it. Its connections end."""
    made = _subscribers(prefix)
    found = next((each for each in event_loop.run(made.listed()) if each.name == name), None)
    if found is None:
        raise StartError(f"there is no subscriber {name}")
    if not is_sure:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody can be asked, for standard input is no terminal: give --yes")
        click.confirm(f"Remove {name} and its queue with {found.events or 0:,} events?", abort=True, err=True)
    event_loop.run(made.remove(name))
    click.echo(f"{name}: removed")


@subscribers.command("list")
@output_option(Output.TABLE, Output.WIDE, Output.JSON, Output.NAME, json="Print one JSON array.", name="its name")
@_prefix
def list_subscribers(*, output: Output, prefix: str) -> None:
    """List subscribers, with the events that wait in their queues.

    The broker counts them every few seconds. A subscriber whose queue has no count has lost it: nobody has consumed
    from it for 14 days.
    """
    found = event_loop.run(_subscribers(prefix).listed())
    if output is Output.JSON:
        print_json([asdict(each) for each in found])
    elif output is Output.NAME:
        print_names(each.name for each in found)
    else:
        rows = [(each.name, each.events, each.consumers, each.queue, ", ".join(each.patterns)) for each in found]
        print_table(_COLUMNS, rows, nothing="no subscribers", is_wide=output is Output.WIDE)


def _subscribers(prefix: str) -> "Subscribers":
    from service.infra.rabbitmq.subscribers import Subscribers  # a client that most commands do not load

    return Subscribers(management_address(), prefix=prefix)


def _scope(projects: tuple[str, ...], groups: tuple[str, ...]) -> "SubscriberScope":
    from service.infra.rabbitmq.subscribers import SubscriberScope

    if not (projects or groups):
        return SubscriberScope(is_all=True)

    async def find(context: Context) -> SubscriberScope:
        async with context.database.connection() as connection:
            found = [await find_project(connection, reference) for reference in projects]
            roots = [_root(await find_group(connection, reference)) for reference in groups]
        return SubscriberScope([project.id for project in found], [group.id for group in roots])

    return run_use_case(find)


def _root(group: Group) -> Group:
    if "/" in group.path:
        raise StartError(
            f"{group.path} is no root group, and routing keys hold no other: "
            f"use /api/v4/groups/{group.id}/package_events"
        )
    return group

"""The command `packyard`: one module a family of commands, loaded when one of it is called."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final, NoReturn

import click
from typing_extensions import override

from service.errors import PackyardError
from workers.runtime.output import guard_output
from workers.runtime.signals import end_immediately, fail

COMMANDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "check": ("workers.cli.check:check", "Compare storage and database, in both directions."),
        "deletions": (
            "workers.cli.deletions.commands:deletions",
            "Show deletions, undo them, try them again; delete many packages together.",
        ),
        "deliver": ("workers.cli.processes:deliver", "Run a deliverer: posts events to webhooks."),
        "directory": ("workers.cli.directory:directory", "Users, groups, projects, memberships and tokens."),
        "events": ("workers.cli.events:events", "Watch events, and send them once more."),
        "idle": ("workers.cli.processes:idle", "Do nothing until SIGTERM: keeps a pod for the commands of operators."),
        "import": (
            "workers.cli.imports:import_packages",
            "Import packages from FILE, one JSON object a line; `-` reads standard input.",
        ),
        "migrate": ("workers.cli.processes:migrate", "Bring the database to the newest version of the schema."),
        "relay": ("workers.cli.processes:relay", "Run the relay: numbers events, hands the outbox to the broker."),
        "retention": (
            "workers.cli.retention.commands:retention",
            "Rules by which packages go by themselves, or stay.",
        ),
        "roles": ("workers.cli.roles:roles", "Database roles and broker users with the least rights that do."),
        "schedule": ("workers.cli.processes:schedule", "Run the scheduler: makes due what waits."),
        "serve": ("workers.cli.processes:serve", "Run the HTTP API."),
        "set-up": (
            "workers.cli.cluster.set_up:set_up",
            "Prepare database and broker, as the chart does at each install and upgrade.",
        ),
        "settings": (
            "workers.cli.processes:print_settings",
            "Print every setting with its value and meaning, secrets masked; fails when one is missing or wrong.",
        ),
        "subscribers": ("workers.cli.subscribers:subscribers", "Queues of events for others, on the broker."),
        "try": (
            "workers.cli.cluster.trial:try_out",
            "Publish a package at URL, delete it, and see that it is gone.",
        ),
        "up": ("workers.cli.up:up", "Run PostgreSQL, RabbitMQ and all of Packyard on this machine until Ctrl-C."),
        "wait": (
            "workers.cli.processes:wait",
            "Wait until a process could start: database with its schema, and object store, can be used.",
        ),
        "work": ("workers.cli.processes:work", "Run a deletion worker."),
    }
)
"""Name of a command -> its module and name there, and its summary: the list of commands loads none of the modules."""

_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Commands": (
            "check",
            "deletions",
            "directory",
            "events",
            "import",
            "retention",
            "settings",
            "subscribers",
            "try",
        ),
        "Set up and run": (
            "deliver",
            "idle",
            "migrate",
            "relay",
            "roles",
            "schedule",
            "serve",
            "set-up",
            "up",
            "wait",
            "work",
        ),
    }
)
"""Heading of `packyard --help` -> the names of its commands."""


class _Commands(click.Group):
    """Loads a command when it is called, and turns a failure that has a name into one line and exit status 1."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, names in _SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, COMMANDS[name][1]) for name in names])

    @override
    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except PackyardError as error:
            fail(str(error))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="packyard")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path),
    help="Read PACKYARD_* settings that the environment does not set from this file, such as packyard.env of a running "
    "stack: NAME=value lines, as dotenv reads them.",
)
@click.pass_context
def main(context: click.Context, env_file: Path | None) -> None:
    """Packyard: a package catalogue that speaks the GitLab Packages API and means its deletions."""
    context.obj = {}
    if env_file is not None:
        from service.environment import read_environment_file  # few commands need the parser

        context.obj = read_environment_file(env_file)


def run() -> NoReturn:
    """Run the command that the process was started with, and end with its status."""
    guard_output()
    end_immediately(main)

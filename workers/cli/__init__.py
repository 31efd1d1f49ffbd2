"""The command `packyard`: one module a family of commands."""

from pathlib import Path
from typing import Any, NoReturn

import click
from typing_extensions import override

from service.environment import read_environment_file
from service.errors import PackyardError
from workers.cli.check import check
from workers.cli.deletions import deletions
from workers.cli.directory import directory
from workers.cli.events import events
from workers.cli.imports import import_packages
from workers.cli.processes import migrate, print_settings, relay, schedule, serve, work
from workers.cli.roles import roles
from workers.cli.up import up
from workers.output import guard_output
from workers.process import end_at_once, fail


class _OneLineErrors(click.Group):
    """Turns a failure that has a name into one line and exit status 1."""

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PackyardError as error:
            fail(str(error))


@click.group(cls=_OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
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
    context.obj = read_environment_file(env_file) if env_file else {}


_COMMANDS = (
    up, serve, relay, work, schedule, migrate, print_settings, directory, import_packages, deletions, check, events,
    roles
)  # fmt: skip
for _command in _COMMANDS:
    main.add_command(_command)


def run() -> NoReturn:
    """Run the command that the process was started with, and end with its status."""
    guard_output()
    end_at_once(main)

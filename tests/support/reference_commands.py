"""The reference of commands, made from the commands themselves."""

from collections.abc import Iterator

import click

from tests.support.tables import table
from workers.cli import main


def commands() -> str:
    """Return a section for each command, with what its `--help` says."""
    return "\n\n".join(_sections(click.Context(main, info_name="packyard")))


def _sections(context: click.Context) -> Iterator[str]:
    command = context.command
    yield f"## `{context.command_path}`"
    usage = " ".join(piece for piece in command.collect_usage_pieces(context) if piece)
    yield f"```text\n{context.command_path} {usage}\n```"
    yield from (" ".join(part.split()) for part in (command.help or "").split("\n\n") if part.strip())
    options = [found for option in command.get_params(context) if (found := option.get_help_record(context))]
    if options := [(name, meaning) for name, meaning in options if "--help" not in name]:
        yield table(("option", "meaning"), ((f"`{name}`", meaning) for name, meaning in options))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (inner := command.get_command(context, name)) and not inner.hidden:
                yield from _sections(click.Context(inner, parent=context, info_name=name))

"""The command `packyard` itself: what it loads, and what it says of its commands."""

import subprocess
import sys

import click
import pytest

from workers.cli import COMMANDS, main

_HEAVY = (
    "aio_pika",
    "aiohttp",
    "alembic",
    "asyncpg",
    "obstore",
    "psycopg",
    "pydantic",
    "rich",
    "sqlalchemy",
    "structlog",
)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_nothing_that_is_heavy(option: str) -> None:
    program = f"""
import sys
from workers.cli import main
main([{option!r}], standalone_mode=False)
print(sorted(set({_HEAVY!r}) & set(sys.modules)))
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_each_command_is_summed_up_as_it_says_itself() -> None:
    with click.Context(main) as context:
        commands = {name: main.get_command(context, name) for name in main.list_commands(context)}

    assert {name: command.get_short_help_str(200) for name, command in commands.items() if command} == {
        name: summary for name, (_, summary) in COMMANDS.items()
    }
    assert [name for name, command in commands.items() if command and command.name != name] == []


def test_an_unknown_command_is_named() -> None:
    done = subprocess.run([sys.executable, "-m", "workers.cli", "chek"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "No such command 'chek'" in done.stderr


@pytest.mark.parametrize(
    ("output", "status", "err"),
    [
        ("| true; exit ${PIPESTATUS[0]}", 141, ""),
        (">/dev/full", 1, "packyard: standard output: no space left on device\n"),
        (">&-", 0, ""),
    ],
)
def test_output_that_nobody_takes_ends_a_command_without_a_traceback(output: str, status: int, err: str) -> None:
    # The pause lets the reader of the pipe end first; the image sets PYTHONUNBUFFERED.
    program = f"PYTHONUNBUFFERED=1 exec {sys.executable} -m workers.cli events document"

    done = subprocess.run(
        ["bash", "-c", f"(sleep 0.3; {program}) {output}"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (status, err)

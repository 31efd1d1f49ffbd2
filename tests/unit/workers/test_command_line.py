"""The command `packyard` itself: what it loads, and what it says of its commands."""

import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import click
import pytest

from service.environment import process_environment
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


def test_help_lists_each_command_once_in_its_section() -> None:
    with click.Context(main) as context:
        text = main.get_help(context)
    operators, processes = text.partition("\nCommands:\n")[2].split("\nSet up and run:\n")

    listed = [re.findall(r"^  ([\w-]+)  ", section, re.MULTILINE) for section in (operators, processes)]
    assert sorted(chain.from_iterable(listed)) == sorted(COMMANDS)
    assert "deletions" in listed[0]
    assert "serve" in listed[1]


@pytest.mark.parametrize("name", ["deletions", "directory", "roles"])
def test_summaries_are_short_enough_to_be_listed_whole(name: str) -> None:
    with click.Context(main, terminal_width=80) as context:
        group = main.get_command(context, name)
    assert isinstance(group, click.Group)

    listed = group.get_help(click.Context(group, terminal_width=80)).partition("Commands:")[2]

    assert [line for line in listed.splitlines() if line.endswith("...")] == []


@pytest.mark.parametrize(
    ("options", "hint"),
    [((), " (give --env-file, such as .packyard/packyard.env of `make run`)"), (("--env-file", "settings.env"), "")],
)
def test_a_missing_setting_leads_to_the_file_of_settings(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    hint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings.env").write_text("PACKYARD_BROKER_URL=amqp://mq/\nPACKYARD_STORAGE_URL=file:///srv\n")
    for name in [name for name in process_environment() if name.startswith("PACKYARD_")]:
        monkeypatch.delenv(name)

    with pytest.raises(SystemExit):
        main.main([*options, "deletions", "holds"], standalone_mode=False)

    err = capsys.readouterr().err
    assert err.startswith("packyard: PACKYARD_DATABASE_URL is not set")
    assert err.endswith(f"is not set{hint}\n")


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

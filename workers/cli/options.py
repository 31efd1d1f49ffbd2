"""What the commands share: their settings."""

from pathlib import Path

import click

from service.errors import StartError
from service.settings import PREFIX, Settings, load_settings


def read_environment_file(path: Path) -> dict[str, str]:
    """Read NAME=value lines; empty lines and comments are skipped.

    Raises:
        StartError: a line is something else.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip().startswith(PREFIX):
            raise StartError(f"{path}, line {number}: should be {PREFIX}NAME=value")
        values[name.strip()] = value.strip()
    return values


def command_settings() -> Settings:
    """Return the settings of the running command: the environment's, and above them those of --env-file.

    Raises:
        StartError: a setting is unknown, missing or wrong.
    """
    from_file: dict[str, str] = click.get_current_context().obj or {}
    return load_settings(from_file)

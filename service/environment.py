"""The sources of settings: the process's environment, and below it the file of `--env-file`.

python-dotenv reads that file. pydantic-settings would read file and environment together, but it lacks two things that
we need. It ignores unknown names of the environment, and it has no variable that names a file to be read again.
"""

import os
import re
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv.parser import parse_stream

from service.errors import StartError

PREFIX: Final = "PACKYARD_"
FILE: Final = "_FILE"
"""The end of a variable that names a file with the value of the setting."""

_PLAIN: Final = re.compile(r"[^\s'\"#\\]*")


def process_environment() -> Mapping[str, str]:
    """Return the variables of this process, for what is none of our settings."""
    return os.environ


def layered(defaults: Mapping[str, str], environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of *environment* (the process's own when None), and what only *defaults* have.

    A variable that is empty counts as not set. `NAME` and `NAME_FILE` are one setting.

    Raises:
        StartError: one of the two gives a setting twice, by itself and as a file.
    """
    merged: dict[str, str] = {}
    for mapping in (defaults, process_environment() if environment is None else environment):
        named = {name: value for name, value in mapping.items() if name.startswith(PREFIX) and value != ""}
        for name in sorted(named):
            other = _other(name)
            if other in named:
                raise StartError(
                    f"{min(name, other, key=len)} and {max(name, other, key=len)} are both set: one is enough"
                )
            merged.pop(other, None)
        merged |= named
    return merged


def read_environment_file(path: Path) -> dict[str, str]:
    """Read the settings in a file as dotenv does: with comments, quotes and `export`, but without `${NAME}`.

    Raises:
        StartError: it cannot be read, or a line is something else; the text names file and line.
    """
    return dict(_settings(path, _text(path)))


def environment_line(name: str, value: str) -> str:
    """Return the line of such a file that gives *name* this value, in quotes where it needs them."""
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    escaped = value.replace("\\", r"\\").replace("'", r"\'")
    return f"{name}='{escaped}'"


def _settings(path: Path, text: str) -> Iterator[tuple[str, str]]:
    for binding in parse_stream(StringIO(text)):
        if binding.key is None and not binding.error:
            continue  # a comment, or an empty line
        if binding.error or binding.value is None or not (binding.key or "").startswith(PREFIX):
            raise StartError(f"{path}, line {binding.original.line}: should be {PREFIX}NAME=value")
        yield str(binding.key), binding.value


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StartError(f"{path}: is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StartError(f"{path}: {reason.lower()}") from error
    if "\0" in text:
        raise StartError(f"{path}: is not text")
    return text


def _other(name: str) -> str:
    return name.removesuffix(FILE) if name.endswith(FILE) else name + FILE

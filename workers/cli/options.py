"""Shared by the commands: their settings, and reading their arguments."""

from collections.abc import Callable, Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

import click
from pydantic import TypeAdapter, ValidationError
from typing_extensions import override

from schemas.messages.event_patterns import objection
from schemas.problems import Problem, problems_of
from service.errors import MissingSettingError, StartError
from service.settings import ServerAddress, Settings, load_settings
from workers.cli.tables import written

_MOST_PROBLEMS: Final = 5
_WITHOUT_FILE: Final = "give --env-file, such as .packyard/packyard.env of `make run`"


class _Text(click.ParamType[str]):
    """Text that the database can hold."""

    name = "text"

    @override
    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail("is not valid UTF-8", param, ctx)
        return value


TEXT: Final = _Text()


def one_of(words: Iterable[StrEnum]) -> click.Choice[str]:
    """Return the kind of an option that is one of these words, by what they say: click would go by their names."""
    return click.Choice([word.value for word in words])


def validated(kind: Any, value: object, *, name: str) -> Any:
    """Return *value* as a contract or another type that pydantic knows has it; *name* is what was given.

    Raises:
        click.UsageError: it is not what it has to be; each problem names its option and the rule.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        problems = problems_of(error)[:_MOST_PROBLEMS]
        raise click.UsageError("; ".join(_sentence(problem, name) for problem in problems)) from None


def _sentence(problem: Problem, name: str) -> str:
    # The innermost key is the name of the option: filter.created_before is --created-before.
    keys = [part for part in problem.location if isinstance(part, str) and part != "filter"]
    return f"{f'--{keys[-1]}'.replace('_', '-') if keys else name} {problem.rule}"


def patterns_option(text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the option `patterns`: patterns that events can match, none if none is given."""
    return click.option("--pattern", "patterns", multiple=True, callback=_read_patterns, help=text)


def _read_patterns(_ctx: click.Context, _param: click.Parameter, patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        if (reason := objection(pattern)) is not None:
            raise click.UsageError(f"--pattern {written(pattern)} matches no event: {written(reason)}")
    return patterns


MOST_USE: Final = frozenset[ServerAddress]({"database_url", "storage_url"})
"""The servers that most commands use."""


def command_settings(needed: Collection[ServerAddress] = MOST_USE) -> Settings:
    """Return the settings of the running command: the environment's, and below them those of --env-file.

    *needed* are the servers that the command uses; others need no address.

    Raises:
        StartError: a setting is unknown, missing or wrong.
    """
    defaults = settings_of_file()
    try:
        return load_settings(defaults=defaults, needed=needed)
    except MissingSettingError as error:
        if defaults:
            raise
        raise StartError(f"{error} ({_WITHOUT_FILE})") from None


def management_address() -> str:
    """Return the address of the broker's management API.

    Raises:
        StartError: it is not set.
    """
    url = command_settings(()).management_url
    if url is None:
        raise StartError("PACKYARD_MANAGEMENT_URL is not set")
    return url.get_secret_value()


def settings_of_file() -> Mapping[str, str]:
    """Return what the file of --env-file sets: variable -> value."""
    from_file: Mapping[str, str] = click.get_current_context().obj or {}
    return from_file

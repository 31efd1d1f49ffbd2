"""`-o`: how commands print what they found."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final, TypeAlias

import click
from pydantic import BaseModel
from pydantic_core import to_json

from workers.cli.options import one_of

Decorator: TypeAlias = Callable[[Callable[..., None]], Callable[..., None]]


class Output(StrEnum):
    """How something is printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    NAME = "name"

    @property
    def is_for_people(self) -> bool:
        """Whether it is a table, or fields and tables."""
        return self in {Output.TABLE, Output.WIDE}


USUAL: Final = (Output.TABLE, Output.WIDE, Output.JSON, Output.NAME)


def output_option(*outputs: Output, json: str = "Print one JSON object.", name: str = "its id") -> Decorator:
    """Give a command the option `output`, one of *outputs* (none: the usual ones), and `--json` for short.

    *json* says what JSON is printed, *name* what `name` prints.
    """
    offered = outputs or USUAL
    names = f"; name: {name} alone" if Output.NAME in offered else ""
    option = click.option(
        "-o",
        "--output",
        "output",
        type=one_of(offered),
        callback=_read,
        help=f"How to print it. wide: every column, with exact times and sizes{names}.  [default: table]",
    )
    short = short_option(Output.JSON, json)
    return lambda command: option(short(command))


def short_option(output: Output, text: str) -> Decorator:
    """Give a command, beside its option `output`, a flag that chooses one."""
    return click.option(
        f"--{output}", is_flag=True, expose_value=False, is_eager=True, callback=_keep(output), help=text
    )


def print_json(value: object) -> None:
    """Print a value, or a resource as the API has it, as one line of JSON."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    click.echo(to_json(value).decode())


def print_names(names: Iterable[object]) -> None:
    """Print names or ids, one a line."""
    for name in names:
        click.echo(str(name))


_SHORT: Final = "packyard.short"


def _keep(output: Output) -> Callable[[click.Context, click.Parameter, bool], None]:
    def keep(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - as click calls it
        if value:
            ctx.meta.setdefault(_SHORT, []).append(output)

    return keep


def _read(ctx: click.Context, _param: click.Parameter, value: str | None) -> Output:
    chosen: list[Output] = [*ctx.meta.get(_SHORT, ()), *([Output(value)] if value is not None else ())]
    if len(chosen) > 1:
        raise click.UsageError("give one of --output, --json and the like")
    return chosen[0] if chosen else Output.TABLE

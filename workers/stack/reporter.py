"""The output of `packyard up` for the person at the terminal: few lines, each of use."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class Reporter:
    """Writes lines as they are: addresses and commands stay whole, for copy and paste."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write the lines of this block in one write, so that a reader of the first line finds the others."""
        with self._console:
            yield

    def say(self, text: str) -> None:
        """Write one line."""
        self._console.print(escape(text), highlight=False, soft_wrap=True)

    def heading(self, text: str) -> None:
        """Write one emphasised line."""
        self._console.print(f"\n[bold]{escape(text)}[/bold]", highlight=False, soft_wrap=True)

    def commands(self, commands: Iterable[tuple[str, str]]) -> None:
        """Write commands, each below the line that says what it does."""
        for meaning, command in commands:
            self._console.print(f"\n  [dim]# {escape(meaning)}[/dim]", highlight=False, soft_wrap=True)
            self._console.print(f"  {escape(command)}", highlight=False, soft_wrap=True)

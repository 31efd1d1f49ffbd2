"""Standard output whose reader may go away, as with `| head`: a command ends then, quietly."""

import asyncio
import io
import os
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from typing_extensions import Buffer, override

from service.errors import PackyardError

READER_GONE: Final = 141
"""The exit status of a command whose reader is gone: 128 + SIGPIPE, as a shell has it of other programs."""


class ReaderGoneError(Exception):
    """Nobody reads standard output any more.

    Not an OSError, which commands take for the loss of the database, the broker or the store.
    """


class OutputFailedError(PackyardError):
    """Standard output takes no more, as on a full disk."""


class _Output(io.BufferedWriter):
    """Bytes of standard output; raises errors of its own in place of an OSError."""

    @override
    def write(self, data: Buffer, /) -> int:
        with _reader_wanted():
            return super().write(data)

    @override
    def flush(self) -> None:
        with _reader_wanted():
            super().flush()


def guard_output() -> None:
    """Let writes to standard output raise ReaderGoneError when nobody reads it any more, or OutputFailedError."""
    plain = sys.stdout
    if isinstance(plain, io.TextIOWrapper):
        encoding, errors, by_line = plain.encoding, plain.errors, plain.line_buffering or plain.write_through
        layer = plain.detach()
        # PYTHONUNBUFFERED, as in many containers, leaves out the buffer.
        output = _Output(layer.detach() if isinstance(layer, io.BufferedWriter) else layer)
        sys.stdout = io.TextIOWrapper(output, encoding=encoding, errors=errors, line_buffering=by_line)


@contextmanager
def _reader_wanted() -> Generator[None]:
    try:
        yield
    except BrokenPipeError:
        raise ReaderGoneError from None
    except OSError as error:
        raise OutputFailedError(f"standard output: {(error.strerror or str(error)).lower()}") from None


@contextmanager
def stopped_by_reader(stop: asyncio.Event) -> Generator[None]:
    """Set *stop* as soon as the reader of a piped standard output is gone, also while nothing is written.

    Raises:
        ReaderGoneError: at the end, if it went away.
    """
    loop, gone = asyncio.get_running_loop(), asyncio.Event()

    def note() -> None:
        loop.remove_reader(sys.stdout.fileno())
        gone.set()
        stop.set()

    # The writing end of a pipe becomes readable only by the error that its reader is gone.
    is_pipe = stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode)
    if is_pipe:
        loop.add_reader(sys.stdout.fileno(), note)
    try:
        yield
    finally:
        if is_pipe:
            loop.remove_reader(sys.stdout.fileno())
    if gone.is_set():
        raise ReaderGoneError

"""structlog, set up once a process: JSON or console, to standard error."""

import json
import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Final, TextIO

import structlog
from pydantic_core import to_json
from structlog.types import Processor
from typing_extensions import override

from service.configuration.values import LogFormat, LogLevel

_LEFT_BEHIND: Final = "exception=ConnectionError('unexpected connection_lost() call')"
"""The message that PostgreSQL's driver leaves when we give up connecting; we have logged that already."""


def configure_logs(level: LogLevel, log_format: LogFormat, *, process: str) -> None:
    """Write every line of ours, and warnings of the libraries, to standard error; *process* is in each line."""
    shared: list[Processor] = [
        _naming(process),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if log_format is LogFormat.JSON:
        final: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_json)]
    else:
        # Tracebacks are plain: a fancy one shows local variables, which may contain tokens.
        plain = structlog.dev.plain_traceback
        final = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.value.upper()]),
        logger_factory=_lines_to(sys.stderr),
        cache_logger_on_first_use=True,
    )
    for library in ("aiormq", "aio_pika"):
        # They raise the errors that they log of a lost connection, and we log these where we handle them.
        logging.getLogger(library).setLevel(logging.CRITICAL)
    logging.basicConfig(handlers=[ToStructlog()], level=logging.WARNING, force=True)


def _naming(process: str) -> Processor:
    def name(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("process", process)
        return event

    return name


def _json(event: Mapping[str, object], **options: Any) -> str:
    try:
        # Every request writes a line. The standard library takes five times as long for one.
        return to_json(event, fallback=repr).decode()
    except ValueError:
        # Half of a surrogate pair, in the name of a file.
        return json.dumps(event, **options)


class _Lines(structlog.WriteLogger):
    """Writes lines; one that a full disk or a closed pipe refuses is dropped, since no work depends on it."""

    @override
    def msg(self, message: str) -> None:
        """Write one line, if that is possible now."""
        # The error would be taken for one of the work that the line is about, or would end the process.
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = fatal = failure = err = error = critical = exception = msg


def _lines_to(stream: TextIO) -> Callable[..., _Lines]:
    return lambda *_: _Lines(stream)


class ToStructlog(logging.Handler):
    """Hands a library's warnings to structlog, without its arguments' secrets: only the name and the text."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, unless it is known to say nothing."""
        if _LEFT_BEHIND in record.getMessage():
            return
        event: MutableMapping[str, object] = {"logger": record.name, "text": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            # We log only its kind: the text may quote a request, and with it a token.
            event["error"] = type(record.exc_info[1]).__name__
        structlog.get_logger().log(record.levelno, "library_warning", **event)

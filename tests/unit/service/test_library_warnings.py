"""Logs of libraries: their warnings are lines of ours, but for one that says nothing."""

import logging

from structlog.testing import capture_logs

from service.logs import ToStructlog


def _written(text: str) -> list[str]:
    with capture_logs() as lines:
        ToStructlog().emit(logging.LogRecord("asyncio", logging.ERROR, "", 0, text, None, None))
    return [line["text"] for line in lines]


def test_a_warning_of_a_library_is_a_line_of_the_log() -> None:
    assert _written("Task was destroyed") == ["Task was destroyed"]


def test_what_the_driver_leaves_behind_when_connecting_is_given_up_is_not_written() -> None:
    future = "<Future finished exception=ConnectionError('unexpected connection_lost() call')>"

    assert _written(f"Future exception was never retrieved\nfuture: {future}") == []

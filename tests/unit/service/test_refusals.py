"""Refusals: their sentences are in one module, and each has a status and a body."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from aiohttp import web

from service.errors import DatabaseAwayError, StorageUnavailableError
from service.http.refusing import refusal_of, refuse
from service.refusals import NotFoundError, OutboxBehindError, TooManyRequestsError, UnservedError

_SERVICE: Final = Path(__file__).parents[3] / "service"
_SENTENCE: Final = re.compile(r"[45]\d\d [A-Z][a-z]")


def test_the_sentence_of_a_refusal_is_written_in_one_module() -> None:
    found = {
        str(file.relative_to(_SERVICE)): text
        for file in _SERVICE.rglob("*.py")
        for text in _texts(ast.parse(file.read_text(encoding="utf-8")))
        if _SENTENCE.match(text)
    }

    assert found.keys() == {"refusals.py"}


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (NotFoundError(), 404, {"message": "404 Not found"}),
        (web.HTTPNotFound(), 404, {"error": "404 Not Found"}),
        (web.HTTPMethodNotAllowed("PATCH", ["GET"]), 405, {"error": "405 Not Allowed"}),
        (web.HTTPRequestEntityTooLarge(1, 2), 413, {"error": "413 Request Entity Too Large"}),
        (web.HTTPGone(), 410, {"error": "410 Gone"}),
        (web.RequestPayloadError("broken"), 400, {"error": "400 Bad Request"}),
        (StorageUnavailableError("no answer"), 503, {"message": "503 Service Unavailable"}),
        (DatabaseAwayError("no answer"), 503, {"message": "503 Service Unavailable"}),
        (ZeroDivisionError(), 500, {"message": "500 Internal Server Error"}),
    ],
)
def test_each_error_is_answered_with_the_status_and_body_of_its_refusal(
    error: Exception, status: int, body: dict[str, str]
) -> None:
    refusal = refusal_of(error)

    assert refusal.status == status
    assert refusal.body() == body


def test_a_refusal_that_time_mends_gives_the_pause() -> None:
    answers = [refuse(TooManyRequestsError(7)), refuse(OutboxBehindError()), refuse(UnservedError(414))]

    assert [answer.headers.get("Retry-After") for answer in answers] == ["7", "60", None]
    assert [answer.content_type for answer in answers] == ["text/plain", "application/json", "application/json"]


def _texts(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value

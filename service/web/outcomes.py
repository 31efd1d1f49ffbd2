"""The outcome of an act on many deletions, in the address of the page that the browser is led to after it."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from yarl import URL

from service.web.frame.rendering import FORM_TOKEN, see_other
from service.web.sessions.forms import sign, verify

_REASONS: Final = 10


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """The result of an act on a batch: how many deletions it changed, and why it left others."""

    act: str
    done: int
    refused: Sequence[tuple[str, int]]


def to_outcome(request: web.Request, path: str, outcome: BatchOutcome, **query: str) -> web.Response:
    """Lead the browser to the page at *path*, which shows the outcome, also when it is loaded again."""
    text = json.dumps([outcome.act, outcome.done, outcome.refused], separators=(",", ":"))
    signature = sign(request[FORM_TOKEN], _subject(path, text))
    return see_other(
        request, str(URL.build(path=path, query={**query, "outcome": text, "outcome_signature": signature}))
    )


def shown_outcome(request: web.Request, path: str) -> BatchOutcome | None:
    """Return the outcome in the address; None if this session was not led here, so that no link forges a notice."""
    text, token = request.query.get("outcome", ""), request.get(FORM_TOKEN, "")
    if not token or not verify(token, _subject(path, text), request.query.get("outcome_signature", "")):
        return None
    act, done, refused = json.loads(text)
    return BatchOutcome(act, done, [(reason, number) for reason, number in refused])


def _subject(path: str, text: str) -> str:
    return f"outcome {path} {text}"


def counted(reasons: Iterable[str]) -> Sequence[tuple[str, int]]:
    """Return the most frequent reasons, each with how often it was given."""
    return Counter(reasons).most_common(_REASONS)

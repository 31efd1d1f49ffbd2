"""Reading JSON bodies, and answering a request once that carries an Idempotency-Key."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from schemas.base import Contract
from schemas.problems import problems_of
from service.access.callers import Caller
from service.digests import text_digest
from service.http.body.form_bodies import form_as_json
from service.http.keys import CONTEXT
from service.http.operations import OPERATION
from service.http.parameters import gitlab_sentences
from service.idempotency import answering
from service.idempotency.answering import StoredAnswer
from service.idempotency.rows import RequestKey
from service.infra.postgres.database import Sessions
from service.refusals import BadParametersError, UnservedError

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotency-Replayed"

_KEY: Final = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
_MOST_PROBLEMS: Final = 5

_Body = TypeVar("_Body", bound=Contract)


async def read_body(request: web.Request, kind: type[_Body], *, takes_form: bool = False) -> _Body:
    """Return the JSON body, whatever its Content-Type says; an empty one is an empty object.

    With *takes_form*, it may also be a form, as at GitLab's addresses.

    Raises:
        BadParametersError: it is not what it has to be; each problem names its place and the rule.
        UnservedError: it does not come.
    """
    found = await _read_json(request, kind, takes_form=takes_form)
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        sentences = [
            problem.sentence() if problem.location else f"body {problem.rule}" for problem in problems_of(error)
        ]
        raise BadParametersError(*sentences[:_MOST_PROBLEMS]) from None


async def read_gitlab_body(request: web.Request, kind: type[_Body]) -> _Body:
    """Return the JSON body or the form, as `read_body` does, of a route whose refusals have GitLab's texts.

    Raises:
        BadParametersError: it is not what it has to be; each key is named, in the order of *kind*.
        UnservedError: it does not come.
    """
    found = await _read_json(request, kind, takes_form=True)
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        raise BadParametersError(*gitlab_sentences(error, kind)) from None


async def _read_json(request: web.Request, kind: type[Contract], *, takes_form: bool) -> object:
    if request[OPERATION].body is not kind:
        raise TypeError(f"{request[OPERATION].path} is documented with another body than {kind.__name__}")
    patience = request.app[CONTEXT].settings.request_timeout.total_seconds()
    try:
        async with asyncio.timeout(patience):
            written = await request.read()
    except TimeoutError:
        raise UnservedError(web.HTTPRequestTimeout.status_code) from None
    try:
        found: object = from_json(written) if written.strip() else {}
    except ValueError:
        form = form_as_json(written, request.headers.get("Content-Type", ""), kind) if takes_form else None
        if form is None:
            raise BadParametersError("body should be a JSON object") from None
        return form
    return found


async def answer_once(
    request: web.Request, caller: Caller, body: BaseModel, act: Callable[[Sessions], Awaitable[web.Response]]
) -> web.Response:
    """Answer with what *act* answers; under an Idempotency-Key, with what it answered the first time.

    Raises:
        BadParametersError: the key is not one.
        ConflictError: the same request is under way.
        KeyReusedError: the key was used for another request.
    """
    database = request.app[CONTEXT].database
    key = _read_key(request, caller, body)
    if key is None:
        return await act(database)

    async def act_and_store(sessions: Sessions) -> StoredAnswer:
        return _stored(await act(sessions))

    found = await answering.answer_once(database, key, act_and_store)
    repeated = {REPLAYED_HEADER: "true"} if found.is_repeated else {}
    headers = {"Content-Type": found.media, **found.headers, **repeated}
    return web.Response(body=found.body, status=found.status, headers=headers)


def _stored(response: web.Response) -> StoredAnswer:
    headers = dict(response.headers)
    media = headers.pop("Content-Type")
    if not isinstance(response.body, bytes):
        raise TypeError("an answer that is kept has its body in memory")
    return StoredAnswer(response.status, media, response.body, headers)


def _read_key(request: web.Request, caller: Caller, body: BaseModel) -> RequestKey | None:
    text = request.headers.get(KEY_HEADER)
    if text is None:
        return None
    if not _KEY.fullmatch(text):
        raise BadParametersError(f"{KEY_HEADER} should be 1 to 255 visible ASCII characters")
    asked = (
        f"{request.method} {request.rel_url.raw_path_qs} {request.headers.get('Accept', '')}\n{body.model_dump_json()}"
    )
    return RequestKey(f"user {caller.user_id}", text, text_digest(asked))

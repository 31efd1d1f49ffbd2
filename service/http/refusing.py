"""Errors as answers: the one place where a refusal becomes HTTP.

`service.refusals` has the refusals with their sentences. `service.http.serving.middlewares` calls this for each request
that failed.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aiohttp import web

from service.errors import DatabaseAwayError, StorageUnavailableError, UnstorableTextError
from service.http.replies import reply, reply_text
from service.refusals import (
    BadParametersError,
    InternalError,
    OutageError,
    PageNotFoundError,
    RefusedError,
    TooManyRequestsError,
    UnservedError,
)

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


def refusal_of(error: Exception) -> RefusedError:
    """Return the refusal that *error* means to a client: a fault of ours is 500, the outage of a server is 503."""
    match error:
        case RefusedError():
            refusal = error
        case StorageUnavailableError() | DatabaseAwayError():
            refusal = OutageError()
        case UnstorableTextError():
            refusal = BadParametersError("a text has a NUL character")
        case web.RequestPayloadError():
            refusal = UnservedError(web.HTTPBadRequest.status_code)
        case web.HTTPNotFound():
            refusal = PageNotFoundError()
        case web.HTTPException():
            refusal = UnservedError(error.status)
        case _:
            refusal = InternalError()
    return refusal


def repeated_body(body: Mapping[str, str]) -> dict[str, str]:
    """Return the body of a refusal with its sentence under both of GitLab's keys; that of OAuth stays as it is."""
    if "error_description" in body:
        return dict(body)
    (sentence,) = body.values()
    return {"message": sentence, "error": sentence}


def refuse(refusal: RefusedError, headers: Mapping[str, str] = _NO_HEADERS, *, repeats: bool = False) -> web.Response:
    """Answer with the refusal, and with *headers* beside its own; *repeats*: its sentence under both keys."""
    wait = {} if refusal.retry_after_s is None else {"Retry-After": str(refusal.retry_after_s)}
    if isinstance(refusal, TooManyRequestsError):
        return reply_text(refusal.text, status=refusal.status, headers={**headers, **wait})
    body = refusal.body()
    answer = reply(repeated_body(body) if repeats else body, status=refusal.status, headers={**headers, **wait})
    if refusal.status == OutageError.status:
        # A new connection may lead to another process, which can answer.
        answer.force_close()
    return answer

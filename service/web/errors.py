"""Errors as pages, where a browser asks; everything else is answered as before."""

from typing import Final

import structlog
from aiohttp import web

from service.errors import DatabaseAwayError, StorageUnavailableError
from service.http.keys import REQUEST_ID
from service.http.operations import READING, Handler
from service.refusals import ForbiddenError, InsufficientScopeError, RefusedError
from service.web.frame.negotiation import prefers_html
from service.web.frame.rendering import moved, render, see_other
from service.web.visits import PlaceMovedError, SignInFirstError

_OTHERS: Final = ("/api", "/-/live", "/-/ready", "/-/metrics")
_NOT_FOUND: Final = 404
_HIDDEN: Final = frozenset({401, 403, 404})
"""Statuses of pages that are not there or not for the reader; no difference shows."""
_PAUSE_S: Final = 5

log = structlog.get_logger()


@web.middleware
async def show_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what a page raised into a page that says so in words."""
    if request.path.startswith(_OTHERS) or not prefers_html(request):
        return await handler(request)
    try:
        return await handler(request)
    except ConnectionError:
        raise
    except Exception as error:  # noqa: BLE001 - the last resort of a page
        return _answer(request, error)


def _answer(request: web.Request, error: Exception) -> web.StreamResponse:
    match error:
        case PlaceMovedError():
            answer = moved(request, error.path)
        case SignInFirstError():
            answer = see_other(request, "/-/sign_in?ended=1")
        case DatabaseAwayError() | StorageUnavailableError():
            answer = _away(request, error)
        case RefusedError():
            answer = _refused(request, error)
        case web.HTTPException():
            answer = _failed(request, error)
        case _:
            log.error("request_failed", request_id=request[REQUEST_ID], exc_info=error)
            answer = _error_page(request, 500, kind="failed")
    return answer


def _away(request: web.Request, error: Exception) -> web.Response:
    log.error("page_unavailable", request_id=request[REQUEST_ID], reason=str(error))
    answer = _error_page(request, 503, kind="away")
    answer.headers["Retry-After"] = str(_PAUSE_S)
    # A new connection may lead to another process, which can answer.
    answer.force_close()
    return answer


def _refused(request: web.Request, error: RefusedError) -> web.Response:
    if request.method in READING and error.status in _HIDDEN:
        return _error_page(request, _NOT_FOUND, kind="missing")
    if isinstance(error, InsufficientScopeError):
        return _error_page(request, error.status, kind="read_only")
    if error.text == ForbiddenError.text:
        return _error_page(request, error.status, kind="forbidden")
    answer = _error_page(request, error.status, kind="refused", words=next(iter(error.body().values())))
    if error.retry_after_s is not None:
        answer.headers["Retry-After"] = str(error.retry_after_s)
    return answer


def _failed(request: web.Request, error: web.HTTPException) -> web.Response:
    if error.status == _NOT_FOUND:
        return _error_page(request, _NOT_FOUND, kind="missing")
    answer = _error_page(request, error.status, kind="refused", words=error.reason)
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


def _error_page(request: web.Request, status: int, *, kind: str, words: str = "") -> web.Response:
    return render(request, "error.html", status=status, kind=kind, words=words, request_id=request[REQUEST_ID])

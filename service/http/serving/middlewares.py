"""Around every request: its id, its one log line, and errors as GitLab's bodies."""

import os
import re
import time
from collections.abc import Mapping
from functools import cache
from typing import Final

import structlog
from aiohttp import hdrs, web
from prometheus_client import Counter, Histogram

from service.errors import DatabaseAwayError, StorageUnavailableError
from service.http.body.expect_continue import hang_up_unless_it_came
from service.http.carriers import Carrier
from service.http.keys import CONTEXT, LOG_FIELDS, REQUEST_ID
from service.http.operations import OPERATION, Handler
from service.http.refusing import refusal_of, refuse
from service.http.replies import COMMON_HEADERS, reply_text
from service.http.serving.caching import cache_control
from service.http.serving.ranges import RangeUnsatisfiableError
from service.observing import metrics
from service.refusals import InternalError, RefusedError, UnauthorizedError

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ID_BYTES: Final = 16
_CLIENT_CLOSED: Final = 499
_METHODS: Final = hdrs.METH_ALL - {hdrs.METH_ANY}

log = structlog.get_logger()


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id (the client's own, if it is a plain one) and log it in one line."""
    header = request.headers.get("X-Request-Id", "")
    request[REQUEST_ID] = header if _REQUEST_ID.fullmatch(header) else os.urandom(_ID_BYTES).hex()
    request[LOG_FIELDS] = {}
    began = time.perf_counter()
    status = _CLIENT_CLOSED
    metrics.HTTP_IN_PROGRESS.inc()
    try:
        response = await handler(request)
        status = response.status
        if (operation := request.get(OPERATION)) and operation.takes_bytes:
            hang_up_unless_it_came(request, response)
    finally:
        took = time.perf_counter() - began
        _count(request, status, took)
        log.info(
            "request",
            request_id=request[REQUEST_ID],
            method=request.method,
            path=request.rel_url.raw_path,
            status=status,
            duration_ms=round(took * 1_000, 1),
            **request[LOG_FIELDS],
        )
    return response


def _count(request: web.Request, status: int, took: float) -> None:
    # Names of our own only: what a client makes up must not become a time series.
    operation = request.get(OPERATION)
    route = operation.plain_path.removeprefix("/api/v4") if operation else "none"
    method = request.method if request.method in _METHODS else "other"
    metrics.HTTP_IN_PROGRESS.dec()
    requests, duration = _series(method, route, status)
    requests.inc()
    duration.observe(took)
    if request.transport is None:
        metrics.HTTP_LEFT.labels("cancelled" if status == _CLIENT_CLOSED else "finished").inc()


@cache
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return metrics.HTTP_REQUESTS.labels(method, route, status), metrics.HTTP_DURATION.labels(method, route)


@web.middleware
async def translate_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what was raised into GitLab's answer to it."""
    try:
        return await handler(request)
    except ConnectionError:
        # The client went away; there is nobody to answer, and nothing is wrong with us.
        return web.Response(status=_CLIENT_CLOSED)
    except Exception as error:  # noqa: BLE001 - the last resort of a server
        return _answer(request, error)


def _answer(request: web.Request, error: Exception) -> web.Response:
    if isinstance(error, web.HTTPMovedPermanently | web.HTTPFound):
        moved = "has been moved permanently to" if isinstance(error, web.HTTPMovedPermanently) else "may be found at"
        text = f"This resource {moved} {error.location}"
        return reply_text(text, status=error.status, headers={"Location": str(error.location)})
    refusal = refusal_of(error)
    _log(request, error, refusal)
    operation = request.get(OPERATION)
    repeats = operation is not None and operation.repeats_refusals
    answer = refuse(refusal, _challenge(request, refusal.status), repeats=repeats)
    if isinstance(error, web.HTTPMethodNotAllowed):
        answer.headers["Allow"] = error.headers["Allow"]
    if isinstance(error, RangeUnsatisfiableError):
        answer.headers["Content-Range"] = error.content_range
    if isinstance(error, web.RequestPayloadError):
        answer.force_close()
    return answer


def _log(request: web.Request, error: Exception, refusal: RefusedError) -> None:
    if isinstance(error, StorageUnavailableError):
        log.error("storage_unavailable", request_id=request[REQUEST_ID], reason=str(error))
    elif isinstance(error, DatabaseAwayError):
        log.error("database_unavailable", request_id=request[REQUEST_ID], reason=str(error))
    elif isinstance(refusal, InternalError):
        log.error("request_failed", request_id=request[REQUEST_ID], exc_info=error)


def _challenge(request: web.Request, status: int) -> Mapping[str, str]:
    # Package managers show their credentials only when they are asked to.
    operation = request.get(OPERATION)
    is_asked = status == UnauthorizedError.status and operation is not None and Carrier.BASIC in operation.carriers
    return {"WWW-Authenticate": 'Basic realm="GitLab Packages Registry"'} if is_asked else {}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add what every answer carries, before its headers are sent."""
    response.headers.update(COMMON_HEADERS)
    # A page's asset has a digest in its name and says itself how long it may be kept.
    response.headers.setdefault("Cache-Control", cache_control(request, response))
    if REQUEST_ID in request:
        response.headers["X-Request-Id"] = request[REQUEST_ID]
    if request.app[CONTEXT].vitals.is_stopping:
        # The client's next request goes to another process, over a connection that is not about to be closed.
        response.force_close()
        response.headers["Connection"] = "close"

"""Finding the credential that a request carries, in the places that its operation reads, and in no others."""

import asyncio
from base64 import b64decode
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from aiohttp import web
from multidict import MultiMapping

from schemas.names import Credential
from service.access.callers import PresentedToken
from service.http.body.forms import read_form
from service.http.carriers import Carrier
from service.http.keys import CONTEXT
from service.http.operations import OPERATION
from service.refusals import UnservedError

_BEARER: Final = "bearer "
_BASIC: Final = "basic "
_PERSONAL: Final = frozenset({Credential.PERSONAL_ACCESS_TOKEN})
_JOB: Final = frozenset({Credential.JOB_TOKEN})
_DEPLOY: Final = frozenset({Credential.DEPLOY_TOKEN})
_ANY: Final = _PERSONAL | _JOB | _DEPLOY


async def presented_tokens(request: web.Request) -> Sequence[PresentedToken]:
    """Return the credentials that the request carries where its operation reads one; the first good one counts.

    Raises:
        UnservedError: the body of a DELETE, which might hold one, does not come.
    """
    operation = request[OPERATION]
    found = list(_tokens_in(request, operation.carriers, request.query))
    # GitLab reads these parameters from a form as well; the content of an uploaded file is never searched.
    if not found and request.method == "DELETE" and request.can_read_body:
        patience = request.app[CONTEXT].settings.request_timeout.total_seconds()
        try:
            async with asyncio.timeout(patience):
                form = await read_form(request)
        except TimeoutError:
            raise UnservedError(web.HTTPRequestTimeout.status_code) from None
        found = list(_tokens_in(request, _parameters_of(operation.carriers), form))
    return found


def _tokens_in(
    request: web.Request, carriers: frozenset[Carrier], parameters: MultiMapping[str]
) -> Iterator[PresentedToken]:
    headers = request.headers
    places = (
        (Carrier.PRIVATE_TOKEN_PARAMETER, _PERSONAL, _last(parameters, "private_token")),
        (Carrier.PRIVATE_TOKEN_HEADER, _PERSONAL, headers.get("PRIVATE-TOKEN")),
        (Carrier.BEARER, _kinds(carriers), _after(_BEARER, request)),
        (Carrier.ACCESS_TOKEN_PARAMETER, _PERSONAL, _last(parameters, "access_token")),
        (Carrier.JOB_TOKEN_HEADER, _JOB, headers.get("JOB-TOKEN")),
        (Carrier.JOB_TOKEN_PARAMETER, _JOB, _last(parameters, "job_token")),
    )
    for carrier, kinds, token in places:
        if token and carrier in carriers:
            yield PresentedToken(token, kinds)
    counts = request[OPERATION].refuses_unknown
    if Carrier.DEPLOY_TOKEN_HEADER in carriers and (token := headers.get("Deploy-Token")):
        yield PresentedToken(token, _DEPLOY, counts_when_bad=counts)
    key = headers.get("X-NuGet-ApiKey") if Carrier.NUGET_API_KEY in carriers else None
    if Carrier.BASIC in carriers and (basic := _basic(request)):
        login, password = basic
        # NuGet sends both after a 401: one good credential is enough.
        yield PresentedToken(password, _ANY, login=login, counts_when_bad=counts and not key)
    if key:
        yield PresentedToken(key, _ANY)


@cache
def _kinds(carriers: frozenset[Carrier]) -> frozenset[Credential]:
    jobs = _JOB if Carrier.JOB_TOKEN_HEADER in carriers else frozenset()
    deploys = _DEPLOY if Carrier.DEPLOY_TOKEN_HEADER in carriers else frozenset()
    return _PERSONAL | jobs | deploys


def _parameters_of(carriers: frozenset[Carrier]) -> frozenset[Carrier]:
    return carriers & {Carrier.PRIVATE_TOKEN_PARAMETER, Carrier.ACCESS_TOKEN_PARAMETER, Carrier.JOB_TOKEN_PARAMETER}


def _after(scheme: str, request: web.Request) -> str:
    authorization = request.headers.get("Authorization", "")
    return authorization[len(scheme) :].strip() if authorization.lower().startswith(scheme) else ""


def _basic(request: web.Request) -> tuple[str, str] | None:
    try:
        login, colon, password = b64decode(_after(_BASIC, request), validate=True).decode().partition(":")
    except ValueError:
        return None
    return (login, password) if colon else None


def _last(parameters: MultiMapping[str], name: str) -> str:
    return parameters.getall(name)[-1] if name in parameters else ""

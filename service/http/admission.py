"""The checks of a visit that need no connection: scopes, packages switched off, and paths of before."""

from aiohttp import web

from schemas.names import Credential
from service.access.callers import WRITING_SCOPES, Caller
from service.access.rows import Project
from service.http.addresses import external_url
from service.http.carriers import Carrier
from service.http.keys import CONTEXT, CREDENTIAL_OWNER, LOG_FIELDS
from service.http.operations import OPERATION, READING
from service.refusals import InsufficientScopeError, MovedProjectWriteError, PackagesDisabledError, UnauthorizedError


def admit(request: web.Request, caller: Caller) -> None:
    """Note the caller in the request, and check that its scopes cover it.

    Raises:
        InsufficientScopeError: they do not.
    """
    if caller.credential is not None:
        request[CREDENTIAL_OWNER] = f"user {caller.user_id}" if caller.user_id else f"token {caller.token_id}"
        request[LOG_FIELDS]["user_id"] = caller.user_id
    if caller.credential in {Credential.PERSONAL_ACCESS_TOKEN, Credential.JOB_TOKEN}:
        needed = request[OPERATION].reading_scopes if request.method in READING else WRITING_SCOPES
        if not caller.scopes & needed:
            raise InsufficientScopeError


def require_packages(request: web.Request) -> None:
    """Raise PackagesDisabledError if packages are off in the whole instance."""
    if not request.app[CONTEXT].settings.packages_enabled:
        raise PackagesDisabledError


def require_current_path(request: web.Request, project: Project) -> None:
    """Check that the project was asked for by the path that it has now.

    Raises:
        MovedProjectWriteError: it was not, by a request that changes something.
        web.HTTPMovedPermanently: it was not, by one that reads.
    """
    if project.is_moved:
        if request.method not in READING:
            raise MovedProjectWriteError
        raise web.HTTPMovedPermanently(_address_by_number(request, project))


def ask_for_credentials(request: web.Request, caller: Caller) -> None:
    """Answer 401 on routes of package managers, so that an anonymous client sends its credentials.

    The other routes hide that something is there.
    """
    if Carrier.BASIC in request[OPERATION].carriers and caller.credential is None:
        raise UnauthorizedError from None


def _address_by_number(request: web.Request, project: Project) -> str:
    head, _, tail = request.rel_url.raw_path.partition("/projects/")
    _, slash, rest = tail.partition("/")
    query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
    return f"{external_url(request)}{head}/projects/{project.id}{slash}{rest}{query}"

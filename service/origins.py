"""The origin of a deletion, and the actor who changes one, as a request shows them; and the way to a deletion."""

from uuid import UUID

from aiohttp import web

from schemas.names import AccessLevel, Cause, Credential, Lane
from service.access.callers import Caller
from service.deletions.accept import AcceptedDeletion
from service.deletions.deletion import Origin
from service.deletions.undoing.acts import Actor
from service.deletions.viewing.entities import deletion_url
from service.http.addresses import external_url
from service.http.keys import LOG_FIELDS, REQUEST_ID
from service.http.visits import Visit


def origin_of_visit(request: web.Request, found: Visit, *, reason: str | None) -> Origin:
    """Return the origin of the deletion of one package or file in a project."""
    return _origin(request, found.caller, cause=Cause.USER, lane=Lane.INTERACTIVE, level=found.level, reason=reason)


def origin_of_batch(request: web.Request, caller: Caller, *, reason: str | None, batch_id: UUID) -> Origin:
    """Return the origin of the deletions of one batch; the caller's level counts in each project by itself."""
    return _origin(request, caller, cause=Cause.BULK, lane=Lane.BULK, reason=reason, batch_id=batch_id)


def actor_of(request: web.Request, caller: Caller) -> Actor:
    """Return the actor of a change of a deletion."""
    return Actor(caller.user_id, _credential(caller), request_id=request[REQUEST_ID])


def headers_to(request: web.Request, deletion: AcceptedDeletion) -> dict[str, str]:
    """Return the headers that lead to the deletion that the request asked for, and note its id for the log."""
    request[LOG_FIELDS]["deletion_id"] = str(deletion.id)
    address = deletion_url(external_url(request), deletion.project_id, deletion.id)
    return {"Deletion-Id": str(deletion.id), "Link": f'<{address}>; rel="status"'}


def _origin(
    request: web.Request,
    caller: Caller,
    *,
    cause: Cause,
    lane: Lane,
    reason: str | None,
    level: AccessLevel = AccessLevel.NONE,
    batch_id: UUID | None = None,
) -> Origin:
    return Origin(
        requested_by=caller.user_id,
        requested_level=level,
        credential=_credential(caller),
        cause=cause,
        lane=lane,
        reason=reason,
        request_id=request[REQUEST_ID],
        batch_id=batch_id,
    )


def _credential(caller: Caller) -> Credential:
    return caller.credential or Credential.PERSONAL_ACCESS_TOKEN

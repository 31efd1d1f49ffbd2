"""The origin of a deletion, and the actor who changes one, as a request shows them."""

from uuid import UUID

from aiohttp import web

from schemas.names import AccessLevel, Cause, Credential, Lane
from service.access.callers import Caller
from service.deletions.deletion import Origin
from service.deletions.undoing.acts import Actor
from service.http.keys import REQUEST_ID
from service.http.visits import Visit


def origin_of_visit(request: web.Request, found: Visit, *, reason: str | None) -> Origin:
    """Return the origin of a deletion in a project."""
    return origin_of(request, found.caller, level=found.level, cause=Cause.USER, lane=Lane.INTERACTIVE, reason=reason)


def origin_of(
    request: web.Request,
    caller: Caller,
    *,
    cause: Cause,
    lane: Lane,
    reason: str | None,
    level: AccessLevel = AccessLevel.NONE,
    batch_id: UUID | None = None,
) -> Origin:
    """Return the origin of deletions; the *level* counts where it is the same for all of them."""
    return Origin(
        requested_by=caller.user_id,
        requested_level=level,
        credential=caller.credential or Credential.PERSONAL_ACCESS_TOKEN,
        cause=cause,
        lane=lane,
        reason=reason,
        request_id=request[REQUEST_ID],
        batch_id=batch_id,
    )


def actor_of(request: web.Request, caller: Caller) -> Actor:
    """Return the actor of a change of a deletion."""
    credential = caller.credential or Credential.PERSONAL_ACCESS_TOKEN
    return Actor(caller.user_id, credential, request_id=request[REQUEST_ID])

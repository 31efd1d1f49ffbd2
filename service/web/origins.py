"""The origin of a deletion, and the actor who changes one, as a form shows them: with the token of the session."""

from aiohttp import web

from schemas.names import Cause, Credential, Lane
from service.access.callers import Caller
from service.deletions.deletion import Origin
from service.deletions.undoing.acts import Actor
from service.http.keys import REQUEST_ID
from service.http.visits import Visit


def origin_of(request: web.Request, found: Visit, *, reason: str | None) -> Origin:
    """Return who asks for the deletion of one package or file in a project."""
    return Origin(
        requested_by=found.caller.user_id,
        requested_level=found.level,
        credential=found.caller.credential or Credential.PERSONAL_ACCESS_TOKEN,
        cause=Cause.USER,
        lane=Lane.INTERACTIVE,
        reason=reason,
        request_id=request[REQUEST_ID],
    )


def actor_of(request: web.Request, caller: Caller) -> Actor:
    """Return who acts on a deletion."""
    credential = caller.credential or Credential.PERSONAL_ACCESS_TOKEN
    return Actor(caller.user_id, credential, request_id=request[REQUEST_ID])

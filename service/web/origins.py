"""The origin of a deletion, and the actor who changes one, as a form shows them: with the token of the session."""

from typing import Final
from uuid import UUID

from aiohttp import web
from multidict import MultiMapping

from schemas.names import AccessLevel, Cause, Credential, Lane
from service.access.callers import Caller
from service.deletions.deletion import Origin
from service.deletions.undoing.acts import Actor
from service.http.keys import REQUEST_ID
from service.http.visits import Visit

_LONGEST_REASON: Final = 1_000


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


def bulk_origin_of(request: web.Request, caller: Caller, *, reason: str | None, batch_id: UUID) -> Origin:
    """Return who asks for the deletions of one batch; the level counts in each project by itself."""
    return Origin(
        requested_by=caller.user_id,
        requested_level=AccessLevel.NONE,
        credential=caller.credential or Credential.PERSONAL_ACCESS_TOKEN,
        cause=Cause.BULK,
        lane=Lane.BULK,
        reason=reason,
        request_id=request[REQUEST_ID],
        batch_id=batch_id,
    )


def actor_of(request: web.Request, caller: Caller) -> Actor:
    """Return who acts on a deletion."""
    credential = caller.credential or Credential.PERSONAL_ACCESS_TOKEN
    return Actor(caller.user_id, credential, request_id=request[REQUEST_ID])


def reason_of(fields: MultiMapping[str]) -> str | None:
    """Return the reason that was typed into a form, if there is one."""
    reason = fields.get("reason", "").strip().replace("\x00", "")
    return reason.encode("utf-8", "replace").decode()[:_LONGEST_REASON] or None

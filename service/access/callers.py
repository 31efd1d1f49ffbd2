"""The callers of a request: who asks, as the credential says."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from schemas.names import Credential, Scope, UserState
from service.access import rows as access_rows
from service.access.rows import Token
from service.digests import token_digest
from service.infra.postgres.database import Connection
from service.refusals import BlockedUserError, RefusedError, TokenExpiredError, TokenRevokedError, UnauthorizedError

READING_SCOPES: Final = frozenset({Scope.API, Scope.READ_API})
WRITING_SCOPES: Final = frozenset({Scope.API})

_OF_USERS: Final = frozenset({Credential.PERSONAL_ACCESS_TOKEN, Credential.PROXY})


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request; anonymous when there is no credential."""

    user_id: int | None = None
    username: str | None = None
    is_admin: bool = False
    is_external: bool = False
    credential: Credential | None = None
    token_id: int | None = None
    scopes: frozenset[str] = field(default_factory=frozenset)
    project_id: int | None = None
    """The project that a job or deploy token belongs to."""
    pipeline_id: int | None = None
    """The pipeline that a job belongs to; what it uploads was built there."""

    @property
    def is_insider(self) -> bool:
        """A user who sees what is internal."""
        return self.user_id is not None and not self.is_external


ANONYMOUS = Caller()

OPERATOR: Final = Caller(is_admin=True, credential=Credential.COMMAND_LINE)
"""An operator at the command line beside the database; has the rights of an admin."""


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """A credential as a request showed it."""

    token: str
    kinds: frozenset[Credential]
    """The kinds of credential that are read in that part of the request."""
    login: str | None = None
    """The user name beside it, where there is one."""
    counts_when_bad: bool = True
    """Whether a bad one is refused; otherwise it is as if none had been shown."""


async def caller_of(connection: Connection, presented: PresentedToken) -> Caller:
    """Return the caller whose credential this is.

    Raises:
        UnauthorizedError, TokenExpiredError, TokenRevokedError, BlockedUserError: it is good for nothing.
    """
    return caller_with(await access_rows.find_token(connection, token_digest(presented.token)), presented)


def caller_with(token: Token | None, presented: PresentedToken) -> Caller:
    """Return the caller who presented what *token* is the row of, if there is one.

    Raises:
        UnauthorizedError, TokenExpiredError, TokenRevokedError, BlockedUserError: it is good for nothing.
    """
    try:
        return _caller(_good(token, presented))
    except RefusedError:
        if presented.counts_when_bad:
            raise
        return ANONYMOUS


def caller_of_token(token: Token | None) -> Caller:
    """Return the caller of a session: of a user's own token, or of a user whom a proxy named.

    Raises:
        UnauthorizedError, TokenExpiredError, TokenRevokedError, BlockedUserError: it is good for nothing now.
    """
    return _caller(_good(token, PresentedToken("", _OF_USERS)))


def _good(token: Token | None, presented: PresentedToken) -> Token:
    if (
        token is None
        or token.kind not in presented.kinds
        or (presented.login is not None and token.login not in {None, presented.login})
    ):
        raise UnauthorizedError
    is_personal = token.kind is Credential.PERSONAL_ACCESS_TOKEN
    if token.expires_at is not None and token.expires_at <= datetime.now(UTC).date():
        raise TokenExpiredError if is_personal else UnauthorizedError
    if token.revoked_at is not None:
        raise TokenRevokedError if is_personal else UnauthorizedError
    if token.user_state is UserState.BLOCKED:
        raise BlockedUserError
    return token


def _caller(token: Token) -> Caller:
    return Caller(
        user_id=token.user_id,
        username=token.username,
        is_admin=token.is_admin,
        is_external=token.is_external,
        credential=token.kind,
        token_id=token.id,
        scopes=token.scopes,
        project_id=token.project_id,
        pipeline_id=token.pipeline_id,
    )

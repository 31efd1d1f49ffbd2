"""Rows of users and of their own tokens, as their owner sees them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from schemas.names import UserState
from service.infra.postgres.database import Connection, fetch_row
from service.infra.postgres.records import row_reader


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user."""

    id: int
    username: str
    name: str
    state: UserState
    is_admin: bool
    is_external: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A personal access token, without the token itself."""

    id: int
    name: str
    revoked_at: datetime | None
    created_at: datetime
    scopes: tuple[str, ...]
    user_id: int
    expires_at: date | None


_user: Final = row_reader(UserRow)
_token: Final = row_reader(TokenRow)


async def find_user(connection: Connection, user_id: int) -> UserRow | None:
    """Return what is shown of the user."""
    record = await fetch_row(connection, "browse_user", user_id=user_id)
    return None if record is None else _user(record)


async def find_token(connection: Connection, token_id: int) -> TokenRow | None:
    """Return what is shown of a user's own token."""
    record = await fetch_row(connection, "browse_token", token_id=token_id)
    return None if record is None else _token(record)

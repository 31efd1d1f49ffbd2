"""From rows of users and tokens to resources."""

from datetime import UTC, datetime

from schemas.http.instance_resources import CurrentToken, CurrentUser
from schemas.names import Scope
from service.api.entities.addresses import host_of
from service.api.entities.gitlab_defaults import USER
from service.catalogue.rows.users import TokenRow, UserRow


def user_entity(user: UserRow, *, base: str) -> CurrentUser:
    """Return the caller's own user; only an administrator's says whether he is one."""
    address = f"{user.id}-{user.username}@users.noreply.{host_of(base)}"
    values: dict[str, object] = {
        **USER,
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "state": user.state,
        "web_url": f"{base}/{user.username}",
        "created_at": user.created_at,
        "confirmed_at": user.created_at,
        "email": address,
        "commit_email": address,
        "external": user.is_external,
    }
    if user.is_admin:
        values["is_admin"] = True
    return CurrentUser.model_validate(values)


def token_entity(token: TokenRow) -> CurrentToken:
    """Return the caller's own token; that it is used now is not noted."""
    expires_at = token.expires_at
    is_expired = expires_at is not None and expires_at <= datetime.now(UTC).date()
    return CurrentToken(
        id=token.id,
        name=token.name,
        revoked=token.revoked_at is not None,
        created_at=token.created_at,
        scopes=[Scope(scope) for scope in token.scopes],
        user_id=token.user_id,
        last_used_at=None,
        active=token.revoked_at is None and not is_expired,
        expires_at=expires_at,
    )

"""HTTP bodies that show the instance and the caller, as GitLab's clients read them."""

from datetime import date
from typing import Literal

from pydantic import Field

from schemas.http.directory_resources import DirectoryResource
from schemas.http.resources import Timestamp
from schemas.names import Scope, UserState


class Version(DirectoryResource):
    """Which GitLab this answers like, and which Packyard it is."""

    version: str
    """GitLab's version, with `-packyard` behind it."""
    revision: str
    """Packyard's own version."""


class AgentServer(DirectoryResource):
    """GitLab's server for Kubernetes agents, which is not here."""

    enabled: Literal[False] = False
    external_url: None = Field(default=None, alias="externalUrl")
    version: None = None


class Metadata(Version):
    """The same with what else the instance is."""

    kas: AgentServer
    enterprise: bool


class CurrentUser(DirectoryResource):
    """The user to whom the token belongs."""

    id: int
    username: str
    name: str
    state: UserState
    locked: bool
    avatar_url: None
    web_url: str
    created_at: Timestamp
    bio: str
    location: str | None
    public_email: str | None
    skype: str
    linkedin: str
    twitter: str
    website_url: str
    organization: str | None
    job_title: str
    pronouns: str | None
    bot: bool
    work_information: str | None
    followers: int
    following: int
    last_sign_in_at: Timestamp | None
    confirmed_at: Timestamp | None
    last_activity_on: date | None
    email: str
    """An address at which nobody reads: the directory knows of no other."""
    theme_id: int
    color_scheme_id: int
    projects_limit: int
    current_sign_in_at: Timestamp | None
    identities: list[str]
    can_create_group: bool
    can_create_project: bool
    two_factor_enabled: bool
    external: bool
    private_profile: bool
    commit_email: str
    is_admin: bool = False
    """Absent unless the user is an administrator."""


class CurrentToken(DirectoryResource):
    """The token that the request carries."""

    id: int
    name: str
    revoked: bool
    created_at: Timestamp
    scopes: list[Scope]
    user_id: int
    last_used_at: Timestamp | None
    active: bool
    expires_at: date | None

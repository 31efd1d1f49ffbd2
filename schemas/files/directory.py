"""The directory file: users, groups and projects as somebody wrote them down.

An id that is known says who is meant, whatever name or path the entry gives: that is what it will be called.
"""

import re
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, model_validator

from schemas.base import Contract
from schemas.fields import Day, Duration, GroupPath, Identifier, Moment, Pattern, ProjectPath, Text, TokenText, Username
from schemas.names import (
    MOST_PROTECTION_RULES,
    DeployScope,
    EveryType,
    NameMode,
    PackageType,
    ProtectionLevel,
    Role,
    Scope,
    UserState,
    Visibility,
)
from schemas.retention import RetentionRule
from schemas.webhooks import WebhookEntry

Members = dict[Username, Role]


class AccessTokenEntry(Contract):
    """A personal access token."""

    name: Text
    token: TokenText
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    expires_at: Day | None = None


class UserEntry(Contract):
    """A user, who is exactly what the entry says: a key that is left out has its default."""

    username: Username
    id: Identifier | None = None
    name: Text | None = None
    """The username when left out."""
    admin: bool = False
    external: bool = False
    state: UserState = UserState.ACTIVE
    tokens: tuple[AccessTokenEntry, ...] = ()


class DeletionRules(Contract):
    """The rules of a group or project for deletions below it; a key that is left out keeps its value."""

    grace_period: Duration | None = None
    """How long a marked package can be restored. None that was written: as the group around it says."""
    grace_periods: dict[PackageType, Duration] | None = None
    """The types of packages for which it is another one. None that was written: as the group around it says."""
    deletion_hold: Text | None = None
    """Why nothing below may be deleted. None that was written lifts the hold."""


def _read_words(value: object) -> object:
    """Read the numbers and flags of a rule, which are texts in a file: over HTTP, texts would be wrong there."""
    if not isinstance(value, dict):
        return value
    numbers = {key: int(value[key]) for key in _NUMBERS if _NUMBER.fullmatch(str(value.get(key)))}
    flags = {key: value[key] == "true" for key in _FLAGS if value.get(key) in {"true", "false"}}
    return {**value, **numbers, **flags}


_NUMBERS: Final = ("keep_latest", "approve_above")
_FLAGS: Final = ("enabled", "dry_run")
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
RetentionRules = tuple[Annotated[RetentionRule, BeforeValidator(_read_words)], ...]


class QuotaEntry(Contract):
    """How many bytes all projects of a place may have in storage together."""

    bytes: Annotated[ByteSize, Field(ge=0, le=2**62)]
    """A number, or one with a unit, such as `50GiB`."""
    enforce: bool = False
    """Whether an upload is refused that would take more; without it, events and metrics report the quota only."""


def _check_type(value: str) -> str:
    if value not in {*PackageType, EveryType.ANY}:
        raise ValueError(f"should be a type of package, or {EveryType.ANY}")
    return value


class UploadLimits(Contract):
    """The limits of uploads below a group or project; a key that is left out keeps its value."""

    quota: QuotaEntry | None = None
    """None that was written: there is no quota of its own. Those of the groups around it count, too."""
    deleted_names: dict[Annotated[str, AfterValidator(_check_type)], NameMode] | None = None
    """By type of package, or `any`: when the name of a deleted package is free. None: as the group around it says."""


class Retained(DeletionRules, UploadLimits):
    """A group or project with its rules."""

    retention_rules: RetentionRules | None = None
    """The rules by which packages below go, or stay."""


class WithWebhooks(Contract):
    """The webhooks of a group or project; without the key, those that came over the API stay as they are."""

    webhooks: Annotated[tuple[WebhookEntry, ...], Field(max_length=100)] | None = None


class GroupEntry(WithWebhooks, Retained):
    """A group; a key that is left out stays as it was."""

    path: GroupPath
    id: Identifier | None = None
    name: Text | None = None
    visibility: Visibility | None = None
    members: Members | None = None
    generic_duplicates_allowed: bool | None = None
    """Whether a generic package may have a file name twice. None that was written: as the group around it says."""
    generic_duplicate_exception_regex: Pattern | None = None
    """The names or versions that may have one twice all the same. None that was written: as the group around says."""
    nuget_duplicates_allowed: bool | None = None
    """Whether a NuGet version may be pushed again. None that was written: as the group around it says."""
    nuget_duplicate_exception_regex: Pattern | None = None
    """The names or versions for which the opposite holds. None that was written: as the group around says."""
    maven_duplicates_allowed: bool | None = None
    """Whether a Maven package may have a file name twice. None that was written: as the group around it says."""
    maven_duplicate_exception_regex: Pattern | None = None
    """The names or versions for which the opposite holds. None that was written: as the group around says."""


class DeployTokenEntry(Contract):
    """A deploy token of a project."""

    name: Text
    username: Text
    token: TokenText
    scopes: Annotated[tuple[DeployScope, ...], Field(min_length=1)]
    expires_at: Day | None = None


class PipelineEntry(Contract):
    """The pipeline that a job belongs to; a key that is left out stays as it was."""

    id: Identifier
    iid: Identifier | None = None
    status: Text
    ref: Text
    sha: Text
    source: Text | None = None
    created_at: Moment | None = None


class JobTokenEntry(Contract):
    """The token of a CI job: it acts for its user, and its uploads carry its pipeline."""

    token: TokenText
    user: Username
    pipeline: PipelineEntry | None = None


class ProtectionRuleEntry(Contract):
    """Which packages only some may publish or delete."""

    package_name_pattern: Text
    package_type: PackageType
    minimum_access_level_for_push: ProtectionLevel | None = None
    minimum_access_level_for_delete: ProtectionLevel | None = None

    @model_validator(mode="after")
    def _protects_something(self) -> Self:
        if self.minimum_access_level_for_push is None and self.minimum_access_level_for_delete is None:
            raise ValueError("should have minimum_access_level_for_push, minimum_access_level_for_delete or both")
        return self


class ProjectEntry(WithWebhooks, Retained):
    """A project; a key that is left out stays as it was."""

    path: ProjectPath
    id: Identifier | None = None
    name: Text | None = None
    visibility: Visibility | None = None
    members: Members | None = None
    packages_enabled: bool | None = None
    deploy_tokens: tuple[DeployTokenEntry, ...] | None = None
    job_tokens: tuple[JobTokenEntry, ...] | None = None
    job_token_allowlist: tuple[ProjectPath, ...] | None = None
    """The projects whose jobs are let in with their tokens, besides its own."""
    protection_rules: Annotated[tuple[ProtectionRuleEntry, ...], Field(max_length=MOST_PROTECTION_RULES)] | None = None


class DirectoryFile(Contract):
    """A whole directory file."""

    users: tuple[UserEntry, ...] = ()
    groups: tuple[GroupEntry, ...] = ()
    projects: tuple[ProjectEntry, ...] = ()
    retention_rules: RetentionRules | None = None
    """The rules of the whole instance; they stay as they were where the key is left out."""

"""The words of the catalogue that are closed sets."""

from enum import IntEnum, StrEnum
from typing import Final

MOST_PROTECTION_RULES: Final = 1_000
"""How many protection rules a project may have."""


class PackageType(StrEnum):
    """GitLab's package types, in the order of GitLab's enum (`order_by=type` sorts by it)."""

    MAVEN = "maven"
    NPM = "npm"
    CONAN = "conan"
    NUGET = "nuget"
    PYPI = "pypi"
    COMPOSER = "composer"
    GENERIC = "generic"
    GOLANG = "golang"
    DEBIAN = "debian"
    RUBYGEMS = "rubygems"
    HELM = "helm"
    TERRAFORM_MODULE = "terraform_module"
    RPM = "rpm"
    ML_MODEL = "ml_model"
    CARGO = "cargo"


class EveryType(StrEnum):
    """The word in the place of a package type where something is about all of them."""

    ANY = "any"


class Visibility(StrEnum):
    """The callers that can see a project or group at all."""

    PUBLIC = "public"
    INTERNAL = "internal"
    PRIVATE = "private"


class AccessLevel(IntEnum):
    """GitLab's roles with GitLab's numbers; ADMIN is above every role."""

    NONE = 0
    GUEST = 10
    REPORTER = 20
    DEVELOPER = 30
    MAINTAINER = 40
    OWNER = 50
    ADMIN = 60


class Role(StrEnum):
    """The role of a member, as written in a directory file."""

    GUEST = "guest"
    REPORTER = "reporter"
    DEVELOPER = "developer"
    MAINTAINER = "maintainer"
    OWNER = "owner"

    @property
    def level(self) -> AccessLevel:
        """GitLab's number for the role."""
        return AccessLevel[self.name]


class UserState(StrEnum):
    """A blocked user's tokens are refused."""

    ACTIVE = "active"
    BLOCKED = "blocked"


class Scope(StrEnum):
    """Allowed uses of a personal access token; all but the first two only allow reading one's own user."""

    API = "api"
    READ_API = "read_api"
    READ_USER = "read_user"
    READ_REPOSITORY = "read_repository"
    WRITE_REPOSITORY = "write_repository"
    READ_REGISTRY = "read_registry"
    WRITE_REGISTRY = "write_registry"


class DeployScope(StrEnum):
    """Allowed uses of a deploy token."""

    READ_PACKAGE_REGISTRY = "read_package_registry"
    WRITE_PACKAGE_REGISTRY = "write_package_registry"


class ProtectionLevel(StrEnum):
    """The least level that may publish or delete a protected package."""

    MAINTAINER = "maintainer"
    OWNER = "owner"
    ADMIN = "admin"

    @property
    def level(self) -> AccessLevel:
        """The number that the level compares by."""
        return AccessLevel[self.name]


class NameMode(StrEnum):
    """When the name and version of a deleted package can be published again."""

    FREE = "free"
    """As soon as the deletion is accepted."""
    WHEN_GONE = "when_gone"
    """When the last byte is gone; a deletion that failed has left some."""
    NEVER = "never"


class Cause(StrEnum):
    """Why a deletion came to be."""

    USER = "user"
    BULK = "bulk"
    POLICY = "policy"


class Credential(StrEnum):
    """The kind of credential that a caller showed; a run of a retention rule needs none."""

    PERSONAL_ACCESS_TOKEN = "personal_access_token"  # a kind, not a token
    JOB_TOKEN = "job_token"  # a kind, not a token
    DEPLOY_TOKEN = "deploy_token"  # a kind, not a token
    COMMAND_LINE = "command_line"
    RETENTION_RULE = "retention_rule"
    PROXY = "proxy"
    """A proxy that authenticates named the user of a page."""


class Action(StrEnum):
    """Requests that are possible for a deletion once it is accepted."""

    RESTORE = "restore"
    RETRY = "retry"
    DESTROY_NOW = "destroy_now"


class Lane(StrEnum):
    """The two queues of deletions: people's, and those of policies and bulk calls."""

    INTERACTIVE = "interactive"
    BULK = "bulk"

    @property
    def queue(self) -> str:
        """The name of the lane's queue."""
        return f"packyard.delete.{self.value}"

    @property
    def routing_key(self) -> str:
        """The routing key with which a command reaches the lane."""
        return f"delete.{self.value}"

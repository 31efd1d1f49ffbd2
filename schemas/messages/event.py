"""The parts of every event, and the fields of every event of a package."""

from abc import abstractmethod
from typing import ClassVar, Final
from uuid import UUID

from pydantic import ConfigDict
from typing_extensions import override

from schemas.base import Contract
from schemas.names import PackageType

TYPE_PREFIX: Final = "io.packyard"


class Event(Contract):
    """The fields of every event: what happened, to what, and who had it done."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    entity: ClassVar[str]
    action: ClassVar[str]
    key_parts: ClassVar[tuple[str, ...]] = ()
    """The fields in the routing key; ids only, since names may hold dots and may change."""

    @classmethod
    def topic(cls) -> str:
        """Return `<entity>.<action>`."""
        return f"{cls.entity}.{cls.action}"

    @classmethod
    def type_name(cls) -> str:
        """Return the CloudEvents type."""
        return f"{TYPE_PREFIX}.{cls.topic()}.v1"

    @classmethod
    def schema_name(cls) -> str:
        """Return what names the shape of the data."""
        return f"urn:packyard:events:{cls.topic()}:v1"

    def routing_key(self) -> str:
        """Return what subscribers bind by."""
        return ".".join([self.topic(), *(str(getattr(self, part)) for part in self.key_parts)])

    def subject(self) -> str:
        """Return what it happened to."""
        return self.entity

    def partition(self) -> str:
        """Return within what the order of events matters."""
        return self.entity

    @abstractmethod
    def correlation(self) -> UUID:
        """Return what ties together the events of one undertaking."""

    def actor(self) -> int | None:
        """Return the user who asked for it; None when it happened by itself."""
        return None


class PackageEvent(Event):
    """The fields of every event of a package."""

    key_parts = ("package_type", "root_group_id", "project_id")

    project_id: int
    """The project that the package is in."""
    root_group_id: int
    """The topmost group that the project is below."""
    package_id: int
    """The package; its number is never used again."""
    package_type: PackageType
    actor_id: int | None
    """The user who asked for it; null when it was no user."""

    @override
    def subject(self) -> str:
        return f"projects/{self.project_id}/packages/{self.package_id}"

    @override
    def partition(self) -> str:
        return str(self.project_id)

    @override
    def actor(self) -> int | None:
        return self.actor_id

"""Events of quotas: how much of one is used."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field
from typing_extensions import override

from schemas.messages.event import Event
from schemas.names import EveryType


class QuotaExceeded(Event):
    """The projects of a place have reached 80 or 100 percent of its quota; each time once for each threshold."""

    entity = "quota"
    action = "exceeded"
    key_parts = ("package_type", "root_group_id", "project_id")

    notice_id: UUID
    """This notice."""
    quota_id: int
    """The quota; it keeps its number when it is changed."""
    package_type: EveryType = EveryType.ANY
    """A quota is about packages of any type."""
    project_id: int | None
    """The project that has the quota; null for the quota of a group, whose routing keys end with `any`."""
    group_id: int | None
    """The group that has the quota; null for the quota of a project."""
    root_group_id: int
    """The topmost group that the place is, or is below."""
    path: str
    """The full path of the place."""
    threshold: Literal[80, 100]
    """The percentage that was reached."""
    quota_bytes: Annotated[int, Field(ge=0)]
    """How many bytes there may be in storage."""
    enforced: bool
    """Whether uploads are refused that would take more."""
    logical_bytes: Annotated[int, Field(ge=0)]
    """The sizes of the files that listings show, added up."""
    physical_bytes: Annotated[int, Field(ge=0)]
    """The sizes of all files in storage, which the quota is about."""

    @override
    def routing_key(self) -> str:
        return super().routing_key() if self.project_id is not None else super().routing_key().replace("None", "any")

    @override
    def subject(self) -> str:
        return f"groups/{self.group_id}/quota" if self.project_id is None else f"projects/{self.project_id}/quota"

    @override
    def partition(self) -> str:
        return "quota" if self.project_id is None else str(self.project_id)

    @override
    def correlation(self) -> UUID:
        return self.notice_id

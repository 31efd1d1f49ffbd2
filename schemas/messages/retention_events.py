"""Events of runs of retention rules, one for each project of a run."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field
from typing_extensions import override

from schemas.messages.event import Event
from schemas.names import EveryType


class RetentionEvent(Event):
    """The fields of every event of a run of a retention rule; each project of the run has one of its own."""

    entity = "retention"
    key_parts = ("package_type", "root_group_id", "project_id")

    run_id: UUID
    """The run, as `/api/v4/projects/:id/retention/runs/:run_id` shows it; its deletions are the batch of this id."""
    rule_id: int
    """The rule."""
    rule_name: str
    """Its name when the run was asked for."""
    package_type: EveryType = EveryType.ANY
    """A run is about packages of any type."""
    project_id: int
    """The project that the counts are of."""
    root_group_id: int
    """The topmost group that the project is below."""
    dry_run: bool
    """Whether the run only reports."""
    packages: Annotated[int, Field(ge=0)]
    """How many packages go, or would."""
    files: Annotated[int, Field(ge=0)]
    """How many files these have."""
    bytes: Annotated[int, Field(ge=0)]
    """The sizes of those files, added up."""
    kept: Annotated[int, Field(ge=0)]
    """How many packages stay that the rule is about, because of an exception or of a rule that keeps."""
    refused: Annotated[int, Field(ge=0)]
    """How many packages stay because of a hold or of protection against deletion."""

    @override
    def subject(self) -> str:
        return f"projects/{self.project_id}/retention/runs/{self.run_id}"

    @override
    def partition(self) -> str:
        return str(self.project_id)

    @override
    def correlation(self) -> UUID:
        return self.run_id


class RetentionRunPlanned(RetentionEvent):
    """A run of a retention rule has its list of packages; nothing is deleted yet."""

    action = "run_planned"


class RetentionRunAwaitsApproval(RetentionEvent):
    """A run would delete so much of a project that somebody has to approve its list."""

    action = "run_awaits_approval"

    lapses_at: AwareDatetime
    """Until when it can be approved."""


class RetentionRunFinished(RetentionEvent):
    """A run has ended. It has asked for all deletions of its list, whose bytes go after the grace; or it could not."""

    action = "run_finished"

    state: Literal["finished", "refused", "lapsed", "failed"]
    """How it ended: all were asked for, its list was refused or not approved in time, or it failed."""

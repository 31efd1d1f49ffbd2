"""HTTP bodies about retention, which GitLab does not have."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StrictBool, model_validator

from schemas.base import Contract, Json, Query
from schemas.http.parameters import PageNumber
from schemas.http.resources import Resource, Timestamp
from schemas.names import PackageType
from schemas.retention import RetentionRule
from schemas.statuses import PackageStatus

_Number = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]
_Count = Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)]
Fate = Literal["deleted", "kept", "refused"]


class RunListing(Query):
    """Parameters of a listing of runs."""

    page: PageNumber = 1
    """Which page, from 1 on; each has 20 runs."""


class _Body(Contract):
    model_config = ConfigDict(use_attribute_docstrings=True)


def _without_null(schema: Json) -> None:
    for found in schema["properties"].values():
        if "anyOf" in found:
            (kind,) = (option for option in found.pop("anyOf") if option.get("type") != "null")
            found.pop("default", None)
            found.update(kind)


def _one_of_both(schema: Json) -> None:
    _without_null(schema)
    schema["not"] = {"required": ["rule_id", "rule"]}


class PreviewRequest(_Body):
    """The rules whose effect is wanted: all that count here, or one of them."""

    model_config = ConfigDict(json_schema_extra=_one_of_both)

    rule_id: _Number | None = None
    """A rule of this place."""
    rule: RetentionRule | None = None
    """A rule that is not saved. It counts in the place of one of the same name."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.rule_id is not None and self.rule is not None:
            raise ValueError("should hold rule_id or rule, and not both")
        return self


class RunRequest(_Body):
    """A run that is asked for by hand."""

    rule_id: _Number
    """The rule, which has to be one of this place."""
    dry_run: StrictBool = False
    """Only report."""


class RunApproval(_Body):
    """The list that is approved: as many packages and bytes as the run shows."""

    packages: _Count
    bytes: _Count


class RuleResource(Resource):
    """A rule of retention."""

    id: int
    sentence: str
    """A sentence that says what it does."""
    rule: dict[str, Any]
    """The rule, with the keys of the request."""
    place: Literal["instance", "group", "project"]
    group_id: int | None
    project_id: int | None
    version: int
    """Counts the changes of its meaning."""
    is_seen: bool
    """Whether a preview or a dry run has shown what this version deletes; its next run only reports otherwise."""
    next_run_at: Timestamp | None
    paused_at: Timestamp | None
    pause_reason: str | None
    created_at: Timestamp
    changed_at: Timestamp


class FateTotals(Resource):
    """Packages of one project with the same fate for the same reason."""

    project_id: int
    verdict: Fate
    rule_id: int
    """The rule that decides; 0 for one that is not saved."""
    rule: str
    reason: str | None
    """For what stays: the exception, `rule` where a rule keeps it, `hold` or `protected`."""
    packages: int
    files: int
    bytes: int


class PackageFate(Resource):
    """A package that some rule is about which deletes."""

    id: int
    project_id: int
    package_type: PackageType
    name: str
    version: str | None
    status: PackageStatus
    files: int
    bytes: int
    verdict: Fate
    rule_id: int
    rule: str
    reason: str | None


class PreviewTotals(Resource):
    """The effect of rules, in sum."""

    packages: int
    """How many packages would be deleted."""
    files: int
    bytes: int
    """The bytes that would be free. Each file has an object of its own, so no other package shares them."""
    kept: int
    refused: int
    latest_by_date: list[PackageType]
    """The types whose latest are counted by date, since their versions have no order."""
    totals: list[FateTotals]


class RetentionPreview(PreviewTotals):
    """The effect of rules, in sum and on each package."""

    list: list[PackageFate]
    """Each package that some rule is about which deletes."""


class RunResource(Resource):
    """A run of a rule."""

    id: UUID
    """Also the batch of its deletions."""
    rule_id: int
    rule: str
    rule_version: int
    sentence: str
    place: Literal["instance", "group", "project"]
    group_id: int | None
    project_id: int | None
    cause: Literal["schedule", "hand"]
    dry_run: bool
    state: Literal["planning", "awaiting_approval", "deleting", "finished", "refused", "lapsed", "failed", "undone"]
    requested_by: int | None
    requested_at: Timestamp
    planned_at: Timestamp | None
    approved_by: int | None
    approved_at: Timestamp | None
    refused_by: int | None
    refused_at: Timestamp | None
    lapses_at: Timestamp | None
    """Until when it can be approved."""
    finished_at: Timestamp | None
    error: str | None
    packages: int
    """How many packages its list has that go."""
    files: int
    bytes: int
    totals: list[FateTotals]
    """The totals of its plan."""


class OutcomeResource(Resource):
    """Packages of a run in one project that ended alike."""

    project_id: int
    outcome: Literal["planned", "deleted", "kept", "refused"]
    reason: str | None
    packages: int
    files: int
    bytes: int


class RunReport(RunResource):
    """A run, and the outcome of its list."""

    outcomes: list[OutcomeResource]
    deletions: dict[str, int]
    """How many of its deletions are in each state."""
    bytes_freed: int
    """The bytes that its deletions have freed."""
    has_all: bool
    """Whether its packages include those that stay. They do for the newest 10 runs of a rule; all have the totals."""


class ReportedPackage(Resource):
    """A package that the rule of a run is about."""

    id: int
    project_id: int
    package_type: PackageType | None
    """Null, as the name, for one that stayed and is gone by now."""
    name: str | None
    version: str | None
    files: int
    bytes: int
    outcome: Literal["planned", "deleted", "kept", "refused"]
    reason: str | None
    rule_id: int
    """The rule that decided: that of the run, or one that keeps."""
    rule: str
    deletion_id: UUID | None
    deletion_state: str | None
    bytes_freed: int


class PackageRetention(Resource):
    """The reason why one package stays, or the rule by which it would go."""

    verdict: Literal["deleted", "kept", "refused", "untouched"]
    """`untouched`: no rule is about it that deletes."""
    rule_id: int | None
    rule: str | None
    sentence: str | None
    reason: str | None
    next_run_at: Timestamp | None
    """When the first of the rules runs that would delete it; null where none of them is scheduled."""

"""Webhooks and their deliveries as the API shows them: the keys of GitLab's hooks, and ours."""

from typing import ClassVar, Final, Literal

from pydantic import AwareDatetime, ConfigDict

from schemas.base import Contract, Json
from schemas.http.parameters import Paging
from schemas.webhooks import ContentMode

OTHER_FLAGS: Final = (
    *("push_events", "tag_push_events", "issues_events", "confidential_issues_events", "merge_requests_events"),
    *("note_events", "confidential_note_events", "job_events", "pipeline_events", "wiki_page_events"),
    *("deployment_events", "feature_flag_events", "releases_events", "milestone_events", "emoji_events"),
    *("resource_access_token_events", "repository_update_events"),
)
"""GitLab's flags of what we have not: accepted, and answered with false."""


class CustomHeaderName(Contract):
    """A custom header without its value."""

    key: str


class WebhookResource(Contract):
    """A webhook. Its secrets are never shown."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: int
    name: str | None
    description: str | None
    url: str
    project_id: int | None = None
    """The project that has it; absent for the webhook of a group."""
    group_id: int | None = None
    """The group that has it; absent for the webhook of a project."""
    created_at: AwareDatetime
    enable_ssl_verification: bool
    custom_headers: list[CustomHeaderName]
    token_present: bool
    """Whether it has a token."""
    signing_token: str | None = None
    """Only in the answer that adds a webhook, and only if the request had none: note it, it is not shown again."""
    package_events: bool
    event_types: list[str] | None
    """The types that are sent; null is all of them."""
    content_mode: ContentMode
    ordered: bool
    alert_status: Literal["executable", "temporarily_disabled", "disabled"]
    """`temporarily_disabled`: the last attempt failed, and it waits for the next one."""
    disabled_until: AwareDatetime | None
    """When the next attempt is, while it waits for one."""
    disabled_reason: Literal["gone", "failures"] | None
    """Why it is disabled. A test that succeeds enables it."""
    failing_since: AwareDatetime | None
    """Since when nothing was delivered, though it was tried."""
    last_delivered_at: AwareDatetime | None
    push_events: bool = False
    tag_push_events: bool = False
    issues_events: bool = False
    confidential_issues_events: bool = False
    merge_requests_events: bool = False
    note_events: bool = False
    confidential_note_events: bool = False
    job_events: bool = False
    pipeline_events: bool = False
    wiki_page_events: bool = False
    deployment_events: bool = False
    feature_flag_events: bool = False
    releases_events: bool = False
    milestone_events: bool = False
    emoji_events: bool = False
    resource_access_token_events: bool = False
    repository_update_events: bool = False


class WebhookDeliveryResource(Contract):
    """A delivery that failed, or that somebody asked for. The others leave no trace but the time of the last one."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: int
    url: str
    trigger: Literal["package_events"]
    kind: Literal["event", "test", "resend"]
    """`event`: an event whose first attempt failed."""
    state: Literal["waiting", "delivered", "failed", "skipped"]
    """`skipped`: it failed for three days. `failed`: the end of a test or of one that was sent again."""
    event_id: str
    """The `webhook-id` of each attempt."""
    event_type: str
    sequence: int | None
    """Its number in the feed; null for a test."""
    attempts: int
    created_at: AwareDatetime
    last_attempt_at: AwareDatetime | None
    next_attempt_at: AwareDatetime | None
    """When it is tried next; null once it has ended."""
    request_headers: Json | None
    """Those of the last attempt, if it failed, without secrets."""
    response_status: int | None
    response_headers: Json | None
    response_body: str | None
    """The first 4 KiB."""
    execution_duration: float | None
    """In seconds."""
    error: str | None
    """Why there was no answer."""


class DeliveryListing(Paging):
    """Which deliveries of a webhook are wanted."""

    beyond_gitlab: ClassVar[frozenset[str]] = frozenset({"state"})

    state: Literal["waiting", "delivered", "failed", "skipped"] | None = None
    """Only those in this state."""

"""Events about webhooks: the feed shows them, and no webhook carries them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field
from typing_extensions import override

from schemas.messages.event import Event


class WebhookEvent(Event):
    """The fields of every event about a webhook. It names no address, since more people read events than webhooks."""

    entity = "webhook"

    webhook_id: int
    """The webhook, as `/api/v4/projects/:id/hooks/:hook_id` or `/api/v4/groups/:id/hooks/:hook_id` shows it."""
    project_id: int | None
    """The project that has it; null for the webhook of a group."""
    group_id: int | None
    """The group that has it; null for the webhook of a project."""

    @override
    def subject(self) -> str:
        place = f"groups/{self.group_id}" if self.project_id is None else f"projects/{self.project_id}"
        return f"{place}/hooks/{self.webhook_id}"

    @override
    def partition(self) -> str:
        return "webhook" if self.project_id is None else str(self.project_id)


class WebhookEventSkipped(WebhookEvent):
    """A webhook did not take an event for three days, so the event is not sent to it again."""

    action = "event_skipped"

    event_id: UUID
    """The event that was skipped."""
    event_sequence: Annotated[int, Field(ge=0)]
    """Its number in the feed, from which it can be read."""
    attempts: Annotated[int, Field(ge=1)]
    """How often it was sent."""

    @override
    def correlation(self) -> UUID:
        return self.event_id


class WebhookDisabled(WebhookEvent):
    """Nothing is sent to a webhook any more, until a test of it succeeds."""

    action = "disabled"

    reason: Literal["gone", "failures"]
    """`gone`: the receiver answered 410. `failures`: nothing else came of it for three days."""
    last_event_id: UUID
    """The last event that was sent to it."""

    @override
    def correlation(self) -> UUID:
        return self.last_event_id


class WebhookTested(WebhookEvent):
    """Somebody tests a webhook. Only this webhook gets it; the feed does not show it."""

    action = "tested"

    test_id: UUID
    """The test."""

    @override
    def correlation(self) -> UUID:
        return self.test_id

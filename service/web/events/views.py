"""Events as a list shows them: what happened, to what, with a link to the page that has more."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from schemas.names import PackageType
from service.feed.log import FeedEvent
from service.web.views import package_address

_TONES: Final = MappingProxyType(
    {
        "published": "default",
        "deletion_requested": "queued",
        "marked_for_destruction": "grace",
        "restored": "restored",
        "destroyed": "succeeded",
        "destruction_failed": "failed",
        "disabled": "failed",
        "event_skipped": "retrying",
        "run_awaits_approval": "grace",
    }
)
"""Last word of a type -> the state whose colour it has."""


@dataclass(frozen=True, slots=True)
class EventView:
    """An event of the feed, as its reader may see it."""

    sequence: int
    type: str
    time: datetime
    data: Mapping[str, Any]
    text: str
    """The CloudEvent, in lines."""
    project_path: str | None
    """Where its project is now; None where it has none, or where that is gone."""

    @property
    def tone(self) -> str:
        """The state that it is about, for its colour."""
        return _TONES.get(self.type.rpartition(".")[2], "")

    @property
    def name(self) -> str:
        """The name of what it is about; empty where that is no package and no rule."""
        return str(self.data.get("package_name") or self.data.get("rule_name") or "")

    @property
    def address(self) -> str | None:
        """The page that has more about it: a deletion, a package, or the project."""
        if self.project_path is None:
            return None
        if deletion := self.data.get("deletion_id"):
            return f"/{self.project_path}/-/deletions/{deletion}"
        if "package_id" in self.data:
            return package_address(self.project_path, PackageType(self.data["package_type"]), self.data["package_id"])
        return f"/{self.project_path}"


def event_view(event: FeedEvent, body: str, project_path: str | None) -> EventView:
    """Return what is shown of an event; *body*: its CloudEvent as the reader gets it."""
    found: dict[str, Any] = json.loads(body)
    return EventView(
        sequence=event.sequence,
        type=event.type,
        time=datetime.fromisoformat(found["time"]),
        data=found["data"],
        text=json.dumps(found, indent=2, ensure_ascii=False),
        project_path=project_path,
    )

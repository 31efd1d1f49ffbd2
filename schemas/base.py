"""The base classes of all contracts."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """Data that crosses a process border: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Query(BaseModel):
    """Parameters of a request; unknown ones are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    beyond_gitlab: ClassVar[frozenset[str]] = frozenset()
    """Parameters that GitLab does not know here, and therefore does not read."""

"""The base classes of all contracts."""

from typing import Any, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict

Json: TypeAlias = dict[str, Any]
"""An object of JSON whose keys no contract of ours fixes."""


class Contract(BaseModel):
    """Data that crosses a process border: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Query(BaseModel):
    """Parameters of a request; unknown ones are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    beyond_gitlab: ClassVar[frozenset[str]] = frozenset()
    """Parameters that GitLab does not know here, and therefore does not read."""

    names_rules: ClassVar[bool] = False
    """Whether a refusal also gives the rule of a wrong parameter; GitLab's own sentences have none."""

"""What every contract has in common."""

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """Data that crosses a process border: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

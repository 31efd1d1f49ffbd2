"""Orders to a worker, as they are in the queues."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from schemas.base import Contract


class Delete(Contract):
    """Carry out those of these deletions that are due.

    A hint only: the database says what to do, and whether it is still to be done.
    """

    deletion_ids: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=1_000)]

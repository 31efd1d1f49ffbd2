"""Orders to a worker, as they stand in the queues."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from schemas.base import Contract


class Delete(Contract):
    """Carry out these deletions, as far as each of them is due.

    A hint only: what to do, and whether it is still to be done, stands in the database.
    """

    deletion_ids: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=1_000)]

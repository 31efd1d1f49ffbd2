"""Ids that a process makes by itself."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Make an id that sorts by time (UUIDv7)."""
    return uuid7()

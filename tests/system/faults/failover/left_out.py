"""Settings of servers that a run can leave out, to show the cost of each."""

from enum import StrEnum


class LeftOut(StrEnum):
    """A setting that the promises need; the values are those of `WITHOUT=`."""

    STANDBY_NAMES = "synchronous_standby_names"
    """No commit waits for the standby."""

    COMMIT = "synchronous_commit"
    """It is `local`: a commit waits for the disk of the primary alone."""

    QUORUM_SIZE = "quorum_size"
    """Each quorum queue has one copy, in place of three."""

    PAUSE = "pause_minority"
    """A node that sees no other one continues."""


BY_DATABASE = frozenset({LeftOut.STANDBY_NAMES, LeftOut.COMMIT})
"""Those whose cost a failover of the database shows."""

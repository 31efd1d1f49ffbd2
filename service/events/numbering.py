"""Numbering: events move from the outbox to the log, in an order that no late commit can change.

It needs the database alone. Whether the broker can be reached makes no difference to what the log has.
"""

from schemas.messages.cloud_events import HEADER_NAMES, SEQUENCE_DIGITS
from service.infra.postgres.database import Connection, execute, fetch_row


async def number(connection: Connection, *, limit: int) -> int:
    """Move the oldest *limit* events of the outbox to the log; return how many there were.

    Call it in a transaction.
    """
    await execute(connection, "plan_for_the_size_of_now")
    row = await fetch_row(connection, "number_events", headers=list(HEADER_NAMES), digits=SEQUENCE_DIGITS, limit=limit)
    return row["events"] if row else 0


async def continue_log(connection: Connection, *, limit: int) -> None:
    """Take over from a relay of the release before, which numbered events in the outbox.

    Call it when no other relay is active, in a transaction, before anything is numbered.
    """
    adopted = limit
    while adopted == limit:
        adopted = await execute(
            connection,
            "adopt_numbered_events",
            headers=list(HEADER_NAMES),
            digits=SEQUENCE_DIGITS,
            limit=limit,
        )
    await execute(connection, "begin_log_after_gap")

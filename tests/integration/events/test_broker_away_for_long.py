"""The requests that still work when no command has reached the broker for a long time, and those that do not."""

from datetime import timedelta
from typing import Any, Final

import pytest

from service.context import Context
from service.deletions import bulk
from service.refusals import OutboxBehindError
from tests.integration.conftest import Client
from tests.support.catalogue import delete_many, publish, query, status_of
from tests.support.packages import API, MAINTAINER, PUBLIC, json_of

_BULK_DELETE: Final = f"{PUBLIC}/bulk_delete"
_OUT_OF_REACH: Final = {
    "message": "503 Service Unavailable - the broker is away: try again later, or delete single packages"
}


async def _age(context: Context, kind: str, minutes: int) -> None:
    """Let every message of that kind have been in the outbox for so long."""
    await query(
        context,
        "UPDATE outbox SET recorded_at = now() - $1::interval WHERE kind = $2",
        timedelta(minutes=minutes),
        kind,
    )


async def _bulk_delete(client: Client, ids: list[int], **more: Any) -> tuple[int, str | None, Any]:
    headers = {**MAINTAINER, "Idempotency-Key": "night"}
    answer = await client.post(_BULK_DELETE, json={"ids": ids, **more}, headers=headers)
    return answer.status, answer.headers.get("Retry-After"), await json_of(answer)


async def test_only_bulk_deletion_is_refused_and_the_api_stays_ready(filled: Context, client: Client) -> None:
    first, second, third, fourth = [await publish(filled, name=name) for name in ("a", "b", "c", "d")]
    await delete_many(filled, (first,))
    (row,) = await query(filled, "SELECT batch_id::text FROM deletion")
    await _age(filled, "command", minutes=16)

    assert await _bulk_delete(client, [second, third]) == (503, "60", _OUT_OF_REACH)

    assert await status_of(filled, second) == "default"
    assert (await client.get("/-/ready")).status == 200
    assert (await client.get(PUBLIC)).status == 200
    assert (await client.delete(f"{PUBLIC}/{second}", headers=MAINTAINER)).status == 204
    planned = await client.post(_BULK_DELETE, json={"ids": [third], "dry_run": True}, headers=MAINTAINER)
    assert (planned.status, (await json_of(planned))["packages"]) == (200, 1)
    undone = await client.post(f"{API}/projects/100/deletions/bulk_restore", json=dict(row), headers=MAINTAINER)
    assert undone.status == 200
    assert await status_of(filled, first) == "default"
    # An operator's own command has no such limit.
    assert (await delete_many(filled, (fourth,))).deletion_ids.keys() == {fourth}


async def test_the_same_call_is_good_as_soon_as_commands_reach_the_broker_again(
    filled: Context, client: Client
) -> None:
    first, second = [await publish(filled, name=name) for name in ("a", "b")]
    await delete_many(filled, (first,))
    await _age(filled, "command", minutes=16)
    assert (await _bulk_delete(client, [second]))[0] == 503
    await query(filled, "UPDATE outbox SET published_at = now()")

    status, _, accepted = await _bulk_delete(client, [second])

    assert (status, accepted["packages"]) == (202, 1)
    # The stored answer of a key is returned even if the broker is away.
    await _age(filled, "command", minutes=16)
    assert await _bulk_delete(client, [second]) == (202, None, accepted)


async def test_neither_a_short_outage_nor_events_that_wait_refuse_anything(filled: Context, client: Client) -> None:
    first, second = [await publish(filled, name=name) for name in ("a", "b")]
    await delete_many(filled, (first,))
    await _age(filled, "command", minutes=14)
    # Events that a subscriber's full queue holds up are no outage.
    await _age(filled, "event", minutes=60 * 24)

    assert (await _bulk_delete(client, [second]))[0] == 202


async def test_the_limit_is_what_the_setting_says(filled: Context) -> None:
    await delete_many(filled, (await publish(filled),))
    await _age(filled, "command", minutes=5)

    await bulk.require_moving_outbox(filled.deletions, limit=timedelta(minutes=6))
    with pytest.raises(OutboxBehindError):
        await bulk.require_moving_outbox(filled.deletions, limit=timedelta(minutes=4))

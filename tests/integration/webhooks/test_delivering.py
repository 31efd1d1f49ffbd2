"""Events on their way to a receiver: order, retries, what disables a webhook, and who sees what."""

import json
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from service.context import Context
from service.infra.egress.sending import HttpSender
from service.webhooks import queue
from tests.integration.conftest import Client
from tests.integration.webhooks.conftest import HOOKS, add_hook
from tests.support.catalogue import delete, event_topics, publish, query
from tests.support.packages import MAINTAINER, token
from tests.support.receivers import Receiver, deliver_once
from workers.relay.events import number_once

OWNER = token("owner-token")
_ROWS_READ = (
    "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint"
    " FROM pg_stat_xact_user_tables WHERE relname = 'webhook'"
)


async def _delete_some(context: Context, *versions: str, project_id: int = 100) -> None:
    for version in versions:
        await delete(context, await publish(context, version=version, project_id=project_id), project_id=project_id)


def _versions(receiver: Receiver) -> list[str]:
    return [json.loads(one.body)["data"]["package_version"] for one in receiver.received]


async def _hook(api: Client, hook: dict[str, Any]) -> dict[str, Any]:
    async with api.get(f"{HOOKS}/{hook['id']}", headers=MAINTAINER) as answer:
        found: dict[str, Any] = await answer.json()
    return found


async def _deliveries(api: Client, hook: dict[str, Any]) -> list[dict[str, Any]]:
    async with api.get(f"{HOOKS}/{hook['id']}/events", headers=MAINTAINER) as answer:
        found: list[dict[str, Any]] = await answer.json()
    return found


async def _make_due(context: Context, *, days: int = 0) -> None:
    """Let the next attempt be due now, and what failed have begun to fail *days* ago."""
    await query(
        context,
        "UPDATE webhook SET not_before = now(), deliver_at = now(),"
        " failing_since = failing_since - $1 * interval '1 day'",
        days,
    )
    await query(
        context,
        "UPDATE webhook_delivery SET not_before = now(), first_attempt_at = first_attempt_at - $1 * interval '1 day'",
        days,
    )


async def test_an_event_comes_signed_and_whole(
    hooked: Context, api: Client, receiver: Receiver, sender: HttpSender
) -> None:
    await _delete_some(hooked, "before")
    await number_once(hooked)
    hook = await add_hook(api, receiver.url, token="gitlab-secret", custom_headers=[{"key": "X-Team", "value": "red"}])
    await _delete_some(hooked, "1.0")

    await deliver_once(hooked, sender)

    (came,) = receiver.received
    event = Verifier(hook["signing_token"]).verify(came.body, dict(came.headers))
    assert event["data"]["package_version"] == "1.0"
    assert event["id"] == came.id
    assert came.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert (came.headers["X-Gitlab-Token"], came.headers["X-Team"]) == ("gitlab-secret", "red")
    assert await query(hooked, "SELECT 1 FROM webhook_delivery") == []
    assert (await _hook(api, hook))["last_delivered_at"] is not None


async def test_an_event_in_binary_mode_has_its_attributes_as_headers(
    hooked: Context, api: Client, receiver: Receiver, sender: HttpSender
) -> None:
    hook = await add_hook(api, receiver.url, content_mode="binary")
    await _delete_some(hooked, "1.0")

    await deliver_once(hooked, sender)

    (came,) = receiver.received
    Verifier(hook["signing_token"]).verify(came.body, dict(came.headers))
    assert came.headers["Content-Type"] == "application/json"
    assert came.headers["ce-type"] == "io.packyard.package.deletion_requested.v1"
    assert came.headers["ce-id"] == came.id
    assert json.loads(came.body)["package_version"] == "1.0"


async def test_a_failing_event_holds_back_its_own_webhook_alone(
    hooked: Context, api: Client, receiver: Receiver, sender: HttpSender
) -> None:
    hook = await add_hook(api, receiver.url)
    loose = await add_hook(api, receiver.url, ordered=False)
    receiver.statuses = [500, 500]
    await _delete_some(hooked, "1", "2", "3")

    await deliver_once(hooked, sender)

    assert sorted(_versions(receiver)) == ["1", "1", "2", "3"]
    (failed,) = await _deliveries(api, hook)
    assert (failed["state"], failed["attempts"], failed["response_status"]) == ("waiting", 1, 500)
    assert (failed["response_body"], failed["response_headers"]["X-Own"]) == ("thanks", "yes")
    assert (await _hook(api, hook))["alert_status"] == "temporarily_disabled"
    assert [one["state"] for one in await _deliveries(api, loose)] == ["waiting"]

    receiver.received.clear()
    await deliver_once(hooked, sender)
    assert receiver.received == []
    await _make_due(hooked)
    await deliver_once(hooked, sender)

    assert sorted(_versions(receiver)) == ["1", "1", "2", "3"]
    assert [one["state"] for one in await _deliveries(api, hook)] == ["delivered"]
    assert [one["state"] for one in await _deliveries(api, loose)] == ["delivered"]
    assert (await _hook(api, hook))["failing_since"] is None


async def test_an_event_that_fails_for_three_days_is_skipped_and_nothing_but_failures_disable(
    hooked: Context, api: Client, receiver: Receiver, sender: HttpSender
) -> None:
    hook = await add_hook(api, receiver.url)
    receiver.statuses = [500] * 3
    await _delete_some(hooked, "1", "2", "3")
    await deliver_once(hooked, sender)
    await _make_due(hooked, days=3)

    await deliver_once(hooked, sender)

    # The first event is given up; the second fails, too, so for three days there was nothing but failures.
    assert _versions(receiver) == ["1", "1", "2"]
    assert (await _hook(api, hook))["alert_status"] == "disabled"
    assert (await _hook(api, hook))["disabled_reason"] == "failures"
    assert [one["state"] for one in await _deliveries(api, hook)] == ["waiting", "skipped"]
    topics = await event_topics(hooked)
    assert topics[-2:] == ["webhook.event_skipped", "webhook.disabled"]

    await _make_due(hooked)
    await deliver_once(hooked, sender)
    assert len(receiver.received) == 3
    async with api.post(f"{HOOKS}/{hook['id']}/test/package_events", headers=MAINTAINER) as answer:
        assert answer.status == 201
    await deliver_once(hooked, sender)
    await deliver_once(hooked, sender)

    # The test succeeded, so it goes on where it was.
    assert json.loads(receiver.received[3].body)["type"] == "io.packyard.webhook.tested.v1"
    assert _versions_of(receiver, 4) == ["2", "3"]
    assert (await _hook(api, hook))["alert_status"] == "executable"


def _versions_of(receiver: Receiver, begin: int) -> list[str]:
    return [json.loads(one.body)["data"]["package_version"] for one in receiver.received[begin:]]


async def test_gone_disables_a_webhook(hooked: Context, api: Client, receiver: Receiver, sender: HttpSender) -> None:
    hook = await add_hook(api, receiver.url)
    receiver.statuses = [410]
    await _delete_some(hooked, "1", "2")

    await deliver_once(hooked, sender)

    assert len(receiver.received) == 1
    assert (await _hook(api, hook))["disabled_reason"] == "gone"


async def test_an_event_is_sent_again_with_the_same_id(
    hooked: Context, api: Client, receiver: Receiver, sender: HttpSender
) -> None:
    hook = await add_hook(api, receiver.url)
    receiver.statuses = [500]
    await _delete_some(hooked, "1")
    await deliver_once(hooked, sender)
    (failed,) = await _deliveries(api, hook)

    async with api.post(f"{HOOKS}/{hook['id']}/events/{failed['id']}/resend", headers=MAINTAINER) as answer:
        assert answer.status == 201
    await deliver_once(hooked, sender)

    assert [one.id for one in receiver.received] == [failed["event_id"]] * 2
    assert [(one["kind"], one["state"]) for one in await _deliveries(api, hook)] == [
        ("resend", "delivered"),
        ("event", "waiting"),
    ]


async def test_a_group_gets_the_events_of_its_projects_of_now_and_a_project_its_own(
    hooked: Context, api: Client, receiver: Receiver, sender: HttpSender
) -> None:
    async with api.post(
        "/api/v4/groups/acme%2Flabs/hooks", json={"url": f"{receiver.url}/labs"}, headers=OWNER
    ) as made:
        assert made.status == 201
    await add_hook(api, f"{receiver.url}/open", event_types=["package.destroyed"])
    await _delete_some(hooked, "a", project_id=102)
    await _delete_some(hooked, "b", project_id=100)

    await deliver_once(hooked, sender)
    assert _versions(receiver) == ["a"]

    await query(hooked, "UPDATE project SET group_id = 10 WHERE id = 102")
    await _delete_some(hooked, "c", project_id=102)
    await deliver_once(hooked, sender)
    assert _versions(receiver) == ["a"]


async def test_a_webhook_that_was_idle_reads_nothing_again(
    hooked: Context, api: Client, receiver: Receiver, sender: HttpSender
) -> None:
    await add_hook(api, receiver.url, at="/api/v4/projects/102/hooks")
    for _ in range(2):
        await _delete_some(hooked, "1", "2", project_id=100)
        await deliver_once(hooked, sender)
    await _delete_some(hooked, "3", project_id=102)

    await deliver_once(hooked, sender)

    assert _versions(receiver) == ["3"]
    (row,) = await query(hooked, "SELECT position, wanted, deliver_at, lease_token FROM webhook")
    assert (row["position"], row["deliver_at"], row["lease_token"]) == (row["wanted"], None, None)


async def test_a_scan_reads_the_webhooks_that_want_its_events_and_not_the_idle_ones(hooked: Context) -> None:
    await query(
        hooked,
        "WITH made AS (INSERT INTO project (group_id, path, name, visibility)"
        " SELECT 10, 'acme/idle-' || n, 'Idle', 'public' FROM generate_series(1, 5000) n RETURNING id)"
        " INSERT INTO webhook (project_id, url, position)"
        " SELECT id, 'https://x.example/', 0 FROM (TABLE made UNION ALL VALUES (100), (100)) AS p",
    )
    await query(hooked, "ANALYZE webhook, project")
    await _delete_some(hooked, "1", "2")
    await number_once(hooked)

    async with hooked.database.transaction() as connection:
        before = await connection.fetchval(_ROWS_READ)
        await queue.scan(connection)
        after = await connection.fetchval(_ROWS_READ)

    assert len(await query(hooked, "SELECT FROM webhook WHERE wanted > 0")) == 2
    assert after - before < 50


@pytest.mark.parametrize("is_committed", [True, False])
async def test_two_deliverers_share_webhooks_without_double_work(
    hooked: Context, api: Client, receiver: Receiver, sender: HttpSender, *, is_committed: bool
) -> None:
    await add_hook(api, receiver.url)
    await _delete_some(hooked, "1")
    await deliver_once(hooked, sender) if is_committed else None
    receiver.received.clear()
    await query(hooked, "UPDATE webhook SET lease_token = gen_random_uuid(), lease_until = now() + interval '1 minute'")
    await _delete_some(hooked, "2")

    assert await deliver_once(hooked, sender) == 0

    await query(hooked, "UPDATE webhook SET lease_until = now() - interval '1 second'")
    assert await deliver_once(hooked, sender) == 1
    assert _versions(receiver) == (["2"] if is_committed else ["1", "2"])

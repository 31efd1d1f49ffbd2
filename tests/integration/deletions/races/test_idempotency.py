"""One Idempotency-Key for two requests at the same time: the act is done once, and both get the same answer."""

from dataclasses import dataclass
from typing import Any, Final

from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.context import Context
from tests.support.catalogue import delete_many, event_topics, query, status_of
from tests.support.packages import API, MAINTAINER, PUBLIC, token
from tests.support.races import EITHER_END, UseCase, begun_waiting, deleting, held_open, publishing

_DELETE: Final = f"{PUBLIC}/bulk_delete"
_RESTORE: Final = f"{API}/projects/100/deletions/bulk_restore"
_UNDER_WAY: Final = b'{"message":"409 Conflict: a request with this Idempotency-Key is under way"}'


@dataclass(frozen=True, slots=True)
class _Told:
    status: int
    body: bytes
    is_repeated: bool


def _posting(path: str, headers: dict[str, str] = MAINTAINER, **body: Any) -> UseCase[_Told]:
    async def post(context: Context) -> _Told:
        async with TestClient(TestServer(create_app(context))) as client:
            answer = await client.post(path, json=body, headers={**headers, "Idempotency-Key": "tidy-1"})
            return _Told(answer.status, await answer.read(), "Idempotency-Replayed" in answer.headers)

    return post


async def _batches(context: Context) -> list[str]:
    return [str(row["batch_id"]) for row in await query(context, "SELECT DISTINCT batch_id FROM deletion")]


# The same request


@EITHER_END
async def test_a_bulk_delete_that_comes_twice_is_carried_out_once(
    filled: Context, package_id: int, other_id: int, *, commits: bool
) -> None:
    asking = _posting(_DELETE, ids=[package_id, other_id])

    async with held_open(filled, asking) as under_way:
        second = await asking(filled)
        first = await under_way.end(commits=commits)
    third, fourth = await asking(filled), await asking(filled)

    assert (second.status, second.body) == (409, _UNDER_WAY)
    assert first is not None
    assert first.status == (202 if commits else 500)
    assert (third.status, third.is_repeated) == (202, commits)
    assert third.body == first.body or not commits
    assert (fourth.body, fourth.is_repeated) == (third.body, True)
    assert len(await _batches(filled)) == 1
    assert await event_topics(filled) == ["package.deletion_requested"] * 2


@EITHER_END
async def test_a_bulk_restore_that_comes_twice_is_carried_out_once(
    filled: Context, package_id: int, other_id: int, *, commits: bool
) -> None:
    await delete_many(filled, (package_id, other_id))
    (batch_id,) = await _batches(filled)
    asking = _posting(_RESTORE, batch_id=batch_id)

    async with held_open(filled, asking) as under_way:
        second = await asking(filled)
        first = await under_way.end(commits=commits)
    third = await asking(filled)

    assert (second.status, second.body) == (409, _UNDER_WAY)
    assert first is not None
    assert (third.status, third.is_repeated) == (200, commits)
    assert third.body == first.body or not commits
    assert (await event_topics(filled)).count("package.restored") == 2


async def test_a_request_that_waits_for_a_package_is_under_way(filled: Context, package_id: int, other_id: int) -> None:
    asking = _posting(_DELETE, ids=[package_id, other_id])

    async with held_open(filled, deleting(package_id)) as single:
        first = await begun_waiting(filled, asking)
        second = await asking(filled)
        await single.end(commits=True)

        assert second.status == 409
        assert (await first).status == 202
    assert (await asking(filled)).body == (await first).body
    assert await status_of(filled, other_id) == "processing"


async def test_a_bulk_restore_that_a_republish_made_begin_again_keeps_its_answer(
    filled: Context, package_id: int, other_id: int
) -> None:
    await delete_many(filled, (package_id, other_id))
    (batch_id,) = await _batches(filled)
    asking = _posting(_RESTORE, batch_id=batch_id)

    async with held_open(filled, publishing()) as republish:
        waiting = await begun_waiting(filled, asking)
        await republish.end(commits=True)
        first = await waiting

    assert first.status == 200
    assert b"the same name and version has been published again" in first.body
    assert (await asking(filled)).body == first.body
    assert await status_of(filled, package_id) == "processing"
    assert await status_of(filled, other_id) == "default"


# Another request


@EITHER_END
async def test_another_request_under_the_key_is_refused_as_soon_as_there_is_an_answer(
    filled: Context, package_id: int, other_id: int, *, commits: bool
) -> None:
    other = _posting(_DELETE, ids=[other_id])

    async with held_open(filled, _posting(_DELETE, ids=[package_id])) as under_way:
        assert (await other(filled)).status == 409
        await under_way.end(commits=commits)

    assert (await other(filled)).status == (422 if commits else 202)
    assert await status_of(filled, package_id) == ("processing" if commits else "default")
    assert await status_of(filled, other_id) == ("default" if commits else "processing")


async def test_a_key_is_its_caller_s_own(filled: Context, package_id: int, other_id: int) -> None:
    others = _posting(_DELETE, token("owner-token"), ids=[other_id])

    async with held_open(filled, _posting(_DELETE, ids=[package_id])) as under_way:
        assert (await others(filled)).status == 202
        first = await under_way.end(commits=True)

    assert first is not None
    assert first.status == 202

"""The deletions over HTTP: one, lists of them, and the way from a DELETE to its deletion."""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest
from aiohttp import ClientResponse
from yarl import URL

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import (
    delete,
    delete_file,
    publish,
    query,
)
from tests.support.packages import (
    API,
    FORBIDDEN,
    MAINTAINER,
    NO_GROUP,
    NO_PACKAGE,
    NO_PROJECT,
    PUBLIC,
    REPORTER,
    file_ids,
    json_of,
    listed,
    next_page,
    token,
    told,
)
from tests.support.stepwise import with_settings
from workers.deleter.batch import carry_out

_DELETIONS: Final = f"{API}/projects/100/deletions"
_GROUP: Final = f"{API}/groups/acme/deletions"
_EXTERNAL: Final = "http://127.0.0.1:8080"
_UNKNOWN: Final = UUID(int=7)


async def _names(client: Client, address: str) -> list[str]:
    """Return whose deletions are listed."""
    return sorted(package["name"] for package in await listed(await client.get(address), "package"))


def _status_path(answer: ClientResponse) -> URL:
    """Return where the answer says that the deletion is, without the server's address."""
    return URL(answer.links["status"]["url"]).relative()


async def test_a_deletion_is_shown_with_all_that_is_known_of_it(filled: Context, client: Client) -> None:
    package_id = await publish(filled, files=["a", "b"])
    gone = await client.delete(f"{PUBLIC}/{package_id}?reason=by+mistake", headers=MAINTAINER)
    path = f"{_DELETIONS}/{gone.headers['Deletion-Id']}"

    answer = await client.get(path)

    body = await json_of(answer)
    assert body.pop("requested_at").endswith("Z")
    assert body == {
        "id": gone.headers["Deletion-Id"],
        "project_id": 100,
        "package": {"id": package_id, "type": "generic", "name": "app", "version": "1.0", "files": 2, "bytes": 10},
        "package_file_id": None,
        "file_name": None,
        "cause": "user",
        "reason": "by mistake",
        "requested_by": {"id": 3, "username": "mary", "name": "Mary Maintainer"},
        "credential": "personal_access_token",
        "state": "queued",
        "files_total": 2,
        "files_done": 0,
        "bytes_total": 10,
        "bytes_done": 0,
        "attempts": 0,
        "last_error": None,
        "hold": None,
        "destroy_after": None,
        "estimated_seconds_left": None,
        "finished_at": None,
        "restored_as": None,
        "acts": [],
        "lane": "interactive",
        "batch_id": None,
        "_links": {
            "web_path": f"/acme/open/-/deletions/{gone.headers['Deletion-Id']}",
            "self": f"{_EXTERNAL}{path}",
            "package": f"{_EXTERNAL}{PUBLIC}/{package_id}",
            "batch": None,
            "restore": f"{_EXTERNAL}{path}/restore",
            "retry": None,
            "destroy_now": f"{_EXTERNAL}{path}/destroy_now",
        },
    }


async def test_the_deletion_of_a_file_names_the_file(filled: Context, client: Client) -> None:
    package_id = await publish(filled, files=["a", "b"])
    (_, file_id) = await file_ids(filled, package_id)
    deletion = await delete_file(filled, package_id, file_id)

    body = await json_of(await client.get(f"{_DELETIONS}/{deletion.id}"))

    assert (body["package_file_id"], body["file_name"], body["files_total"]) == (file_id, "b", 1)


async def test_in_its_grace_a_deletion_says_until_when(filled: Context, client: Client, stop: asyncio.Event) -> None:
    deletion = await delete(filled, await publish(filled))
    await carry_out(with_settings(filled, grace_period=timedelta(hours=1)), [deletion.id], stop)

    body = await json_of(await client.get(f"{_DELETIONS}/{deletion.id}"))

    (row,) = await query(filled, "SELECT not_before FROM deletion")
    assert body["state"] == "grace"
    assert body["destroy_after"] == row["not_before"].isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def test_when_all_is_gone_there_is_no_package_to_lead_to(
    filled: Context, client: Client, stop: asyncio.Event
) -> None:
    deletion = await delete(filled, await publish(filled))
    await carry_out(filled, [deletion.id], stop)

    body = await json_of(await client.get(f"{_DELETIONS}/{deletion.id}"))

    assert (body["state"], body["files_done"], body["bytes_done"]) == ("succeeded", 1, 5)
    assert body["finished_at"] is not None
    assert body["_links"]["package"] is None


async def test_who_is_not_known_any_more_is_null(filled: Context, client: Client) -> None:
    deletion = await delete(filled, await publish(filled))
    await query(filled, "UPDATE deletion SET requested_by = 999")

    assert (await json_of(await client.get(f"{_DELETIONS}/{deletion.id}")))["requested_by"] is None


async def test_a_deletion_that_is_not_there_or_of_another_project_is_404(filled: Context, client: Client) -> None:
    deletion = await delete(filled, await publish(filled))
    elsewhere = f"{API}/projects/101/deletions/{deletion.id}"

    for action in ("", "/restore", "/retry"):
        method = "POST" if action else "GET"
        for path in (f"{_DELETIONS}/{_UNKNOWN}", elsewhere):
            assert await told(await client.request(method, path + action, headers=MAINTAINER)) == NO_PACKAGE

    assert await listed(await client.get(_DELETIONS), "state") == ["queued"]


@pytest.mark.parametrize("wrong", ["1", "x", "0" * 32, f"{_UNKNOWN}0"])
async def test_an_id_that_is_none_is_named(client: Client, wrong: str) -> None:
    for method, action in (("GET", ""), ("POST", "/restore"), ("POST", "/retry")):
        answer = await client.request(method, f"{_DELETIONS}/{wrong}{action}", headers=MAINTAINER)

        assert await told(answer) == (400, {"error": "deletion_id is invalid"})


async def test_the_newest_come_first_and_a_cursor_leads_on(filled: Context, client: Client) -> None:
    made = [str((await delete(filled, await publish(filled, name=f"app-{n}"))).id) for n in range(5)]

    for path in (_DELETIONS, _GROUP):
        first = await client.get(f"{path}?per_page=2")
        pages, answer = [await listed(first, "id")], first
        while (follows := next_page(answer)) is not None:
            answer = await client.get(follows.relative())
            pages.append(await listed(answer, "id"))

        assert pages == [made[:2:-1], made[2:0:-1], made[:1]]
        assert not {"X-Total", "X-Page"} & first.headers.keys()
        assert list(first.links) == ["next"]


async def test_lists_are_filtered_by_state_name_and_type(filled: Context, client: Client, stop: asyncio.Event) -> None:
    done = await delete(filled, await publish(filled, name="left-pad"))
    await carry_out(filled, [done.id], stop)
    await delete(filled, await publish(filled, name="right-pad"))
    await delete(filled, await publish(filled, name="anvil"))

    everything = ["anvil", "left-pad", "right-pad"]

    for path in (_DELETIONS, _GROUP):
        assert await _names(client, f"{path}?package_name=pad") == ["left-pad", "right-pad"]
        assert await _names(client, f"{path}?package_name=pad+RIGHT") == ["right-pad"]
        assert await _names(client, f"{path}?package_name=pad&state=succeeded") == ["left-pad"]
        assert await _names(client, f"{path}?state=queued") == ["anvil", "right-pad"]
        assert await _names(client, f"{path}?package_type=npm") == []
        assert await _names(client, f"{path}?package_type=generic&per_page=1000&package_name=") == everything


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("state=gone", "state does not have a valid value"),
        ("package_type=x", "package_type does not have a valid value"),
        ("per_page=0", "per_page has a value not allowed"),
        ("cursor=x", "cursor is invalid"),
        ("cursor=eyJpZCI6MX0", "cursor is invalid"),
    ],
)
async def test_wrong_parameters_of_a_list_are_named(client: Client, wrong: str, error: str) -> None:
    for path in (_DELETIONS, _GROUP):
        assert await told(await client.get(f"{path}?{wrong}")) == (400, {"error": error})


async def test_a_project_shows_its_deletions_to_those_who_may_read_its_packages(
    filled: Context, client: Client
) -> None:
    deletion = await delete(filled, await publish(filled, project_id=102), project_id=102)
    path = f"{API}/projects/102/deletions"

    for rest in ("", f"/{deletion.id}"):
        assert (await client.get(path + rest, headers=REPORTER)).status == 200
        assert (await client.get(path + rest, headers=token("maintainer-reading-token"))).status == 200
        assert await told(await client.get(path + rest, headers=token("guest-token"))) == FORBIDDEN
        assert await told(await client.get(path + rest, headers=token("stranger-token"))) == NO_PROJECT
    assert await told(await client.get(f"{API}/projects/103/deletions", headers=MAINTAINER)) == FORBIDDEN


async def test_a_group_shows_what_the_caller_may_read_below_it(filled: Context, client: Client) -> None:
    for project_id in (100, 101, 102, 200):
        await delete(filled, await publish(filled, project_id=project_id), project_id=project_id)

    async def seen(name: str) -> list[int]:
        return await listed(await client.get(_GROUP, headers=token(name)), "project_id")

    assert await seen("") == [100]
    assert await seen("stranger-token") == [101, 100]
    assert await seen("reporter-token") == [102, 101, 100]
    await query(filled, "UPDATE project SET packages_enabled = false WHERE id = 101")
    assert await seen("reporter-token") == [102, 100]


async def test_a_group_shows_one_deletion_below_it_to_those_who_may_read_it(filled: Context, client: Client) -> None:
    here = await delete(filled, await publish(filled))
    below = await delete(filled, await publish(filled, project_id=102), project_id=102)
    elsewhere = await delete(filled, await publish(filled, project_id=200), project_id=200)

    async def shown(deletion_id: object, name: str, group: str = "acme") -> tuple[int, object]:
        return await told(await client.get(f"{API}/groups/{group}/deletions/{deletion_id}", headers=token(name)))

    assert await shown(here.id, "") == (200, await json_of(await client.get(f"{_DELETIONS}/{here.id}")))
    in_project = await client.get(f"{API}/projects/102/deletions/{below.id}", headers=REPORTER)
    expected = (200, await json_of(in_project))
    assert await shown(below.id, "reporter-token") == expected
    assert await shown(below.id, "reporter-token", "acme%2Flabs") == expected
    assert await shown(below.id, "stranger-token") == NO_PACKAGE
    assert await shown(here.id, "reporter-token", "acme%2Flabs") == NO_PACKAGE
    assert await shown(elsewhere.id, "maintainer-token") == NO_PACKAGE
    assert await shown(_UNKNOWN, "reporter-token") == NO_PACKAGE
    assert await shown(here.id, "stranger-token", "secret") == NO_GROUP
    assert await shown("x", "") == (400, {"error": "deletion_id is invalid"})
    await query(filled, "UPDATE project SET packages_enabled = false WHERE id = 100")
    assert await shown(here.id, "maintainer-token") == NO_PACKAGE


async def test_a_delete_leads_to_its_deletion(filled: Context, client: Client) -> None:
    package_id = await publish(filled, files=["a", "b"])
    (file_id, _) = await file_ids(filled, package_id)

    for path in (f"{PUBLIC}/{package_id}/package_files/{file_id}", f"{PUBLIC}/{package_id}"):
        gone = await client.delete(path, headers=MAINTAINER)

        assert (gone.status, await gone.read()) == (204, b"")
        assert str(_status_path(gone)) == f"{_DELETIONS}/{gone.headers['Deletion-Id']}"
        assert (await client.get(_status_path(gone))).status == 200
        assert "Preference-Applied" not in gone.headers


@pytest.mark.parametrize("prefer", ["respond-async", "wait=10, Respond-Async ; x=y"])
async def test_who_prefers_it_is_answered_with_the_deletion(filled: Context, client: Client, prefer: str) -> None:
    package_id = await publish(filled, files=["a", "b"])
    (file_id, _) = await file_ids(filled, package_id)

    for path in (f"{PUBLIC}/{package_id}/package_files/{file_id}", f"{PUBLIC}/{package_id}"):
        gone = await client.delete(path, headers={**MAINTAINER, "Prefer": prefer})

        status, body = await told(gone)
        assert (status, gone.headers["Preference-Applied"]) == (202, "respond-async")
        assert body["id"] == gone.headers["Deletion-Id"]
        assert body["_links"]["self"] == str(gone.links["status"]["url"])
        assert await json_of(await client.get(_status_path(gone))) == body


@pytest.mark.parametrize("prefer", ["respond-asynchronously", "return=minimal", 'x="respond-async"', ""])
async def test_other_preferences_change_nothing(filled: Context, client: Client, prefer: str) -> None:
    package_id = await publish(filled)

    gone = await client.delete(f"{PUBLIC}/{package_id}", headers={**MAINTAINER, "Prefer": prefer})

    assert gone.status == 204


async def test_under_an_old_path_deletions_can_be_read_only(filled: Context, client: Client) -> None:
    deletion = await delete(filled, await publish(filled))
    await query(filled, "INSERT INTO project_alias (path, project_id) VALUES ('acme/before', 100)")
    path = f"{API}/projects/acme%2Fbefore/deletions/{deletion.id}"

    moved = await client.get(path, allow_redirects=False)
    refused = await client.post(f"{path}/restore", headers=MAINTAINER)

    assert (moved.status, URL(moved.headers["Location"]).path) == (301, f"{_DELETIONS}/{deletion.id}")
    assert await told(refused) == (405, {"message": "Non GET methods are not allowed for moved projects"})

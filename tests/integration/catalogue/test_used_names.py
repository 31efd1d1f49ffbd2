"""The name and version of a deleted package: free immediately, free when the bytes are gone, or never again."""

from typing import Any, Final

import pytest

from service.catalogue.guard import used_names
from service.context import Context
from service.refusals import ConflictError
from tests.integration.conftest import Client
from tests.support.catalogue import delete, delete_file, publish, query, restore, status_of
from tests.support.packages import DEVELOPER, PUBLIC, bring_in, file_ids, json_of
from tests.support.races import EITHER_END, OK, answer_of, begun_waiting, held_open
from tests.support.stepwise import Worker, destroy
from tests.support.uploads import UPLOADS

_USED: Final = f"400 Bad request - {used_names.USED_VERSION}"
_LEAVING: Final = f"400 Bad request - {used_names.LEAVING_VERSION}"


async def _rule(context: Context, mode: str, *, package_type: str = "any", group_id: int | None = None) -> None:
    await query(
        context,
        "INSERT INTO name_rule (project_id, group_id, package_type, mode) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (group_id, project_id, package_type) DO UPDATE SET (mode, since) = (excluded.mode, now())",
        None if group_id else 100,
        group_id,
        package_type,
        mode,
    )


async def _put(client: Client, version: str = "1.0", *, file_name: str = "kit.bin") -> tuple[int, Any]:
    answer = await client.put(f"{PUBLIC}/generic/kit/{version}/{file_name}", data=b"bytes", headers=DEVELOPER)
    return answer.status, (await json_of(answer))["message"]


async def test_without_a_rule_a_version_is_free_when_its_deletion_is_accepted(filled: Context, client: Client) -> None:
    await delete(filled, await publish(filled, name="kit"))

    assert (await _put(client))[0] == 201
    assert await query(filled, "SELECT * FROM used_version") == []


async def test_a_version_is_free_when_its_last_byte_is_gone(filled: Context, client: Client) -> None:
    await _rule(filled, "when_gone")
    deletion = await delete(filled, await publish(filled, name="kit"))

    assert await _put(client) == (400, _LEAVING)
    assert (await _put(client, "2.0"))[0] == 201
    await destroy(filled, deletion.id)
    assert (await _put(client))[0] == 201


async def test_a_failed_deletion_has_not_gone(filled: Context, client: Client) -> None:
    await _rule(filled, "when_gone")
    deletion = await delete(filled, await publish(filled, name="kit"))
    worker = Worker()
    await worker.claim(filled, deletion.id)
    await worker.fail(filled, is_last_attempt=True)

    assert await status_of(filled, deletion.package_id) == "error"
    assert await _put(client) == (400, _LEAVING)


async def test_a_version_is_never_published_again(filled: Context, client: Client) -> None:
    await _rule(filled, "never")
    deletion = await delete(filled, await publish(filled, name="kit"))
    assert await _put(client) == (400, _USED)
    await destroy(filled, deletion.id)

    assert await _put(client) == (400, _USED)
    assert (await query(filled, "SELECT count(*) AS n FROM package"))[0]["n"] == 0
    assert (await _put(client, "1.1"))[0] == 201


async def test_every_upload_of_a_version_obeys_the_rule(filled: Context, client: Client) -> None:
    await _rule(filled, "never")
    # Symbols need a package, and the metadata of plugins have no version.
    uploads = {name: UPLOADS[name] for name in UPLOADS.keys() - {"push_nuget_symbols", "publish_maven_metadata"}}
    for handler, upload in sorted(uploads.items()):
        assert (await upload(client, PUBLIC, "1.0.0", DEVELOPER)).status in {200, 201}, handler
    for row in await query(filled, "SELECT id FROM package ORDER BY id"):
        await delete(filled, row["id"])

    for handler, upload in uploads.items():
        answer = await upload(client, PUBLIC, "1.0.0", DEVELOPER)
        assert (answer.status, (await json_of(answer))["message"]) == (400, _USED), handler


async def test_a_version_is_used_under_each_of_its_spellings(filled: Context, client: Client) -> None:
    await _rule(filled, "never")
    await delete(filled, await bring_in(filled, package_type="pypi", name="Kit", version="1.0"))
    await delete(filled, await bring_in(filled, package_type="npm", name="kit", version="2.0.0+build"))

    assert (await UPLOADS["publish_pypi_file"](client, PUBLIC, "1.0.0", DEVELOPER)).status == 400
    assert (await UPLOADS["publish_npm_package"](client, PUBLIC, "2.0.0", DEVELOPER)).status == 400
    assert (await UPLOADS["publish_npm_package"](client, PUBLIC, "1.0.0", DEVELOPER)).status == 200


async def test_a_mode_counts_from_the_day_on_which_it_was_set(filled: Context, client: Client) -> None:
    await delete(filled, await publish(filled, name="kit", version="1.0"))
    await _rule(filled, "when_gone")
    second = await delete(filled, await publish(filled, name="kit", version="2.0"))
    await destroy(filled, second.id)
    await _rule(filled, "never")
    await delete(filled, await publish(filled, name="kit", version="3.0"))

    assert [(await _put(client, version))[0] for version in ("1.0", "2.0", "3.0")] == [201, 201, 400]


async def test_the_nearest_rule_for_a_type_decides(filled: Context, client: Client) -> None:
    await _rule(filled, "never", group_id=10)
    await _rule(filled, "free", package_type="generic")
    await delete(filled, await publish(filled, name="kit"))
    assert (await _put(client))[0] == 201

    await query(filled, "DELETE FROM name_rule WHERE project_id = 100")
    await delete(filled, await publish(filled, name="kit", files=["more"]))
    assert await _put(client) == (400, _USED)


async def test_single_files_are_not_concerned(filled: Context, client: Client) -> None:
    await _rule(filled, "never")
    package_id = await publish(filled, name="kit", files=["kit.bin", "other.bin"])
    first, _ = await file_ids(filled, package_id)
    await destroy(filled, (await delete_file(filled, package_id, first)).id)

    assert (await _put(client))[0] == 201


async def test_a_package_that_went_with_its_last_file_has_used_its_version(filled: Context, client: Client) -> None:
    await _rule(filled, "never")
    package_id = await publish(filled, name="kit")
    (only,) = await file_ids(filled, package_id)
    await destroy(filled, (await delete_file(filled, package_id, only)).id)

    assert await status_of(filled, package_id) is None
    assert await _put(client) == (400, _USED)


async def test_a_restore_to_its_own_version_is_allowed_and_one_to_a_used_version_is_not(
    filled: Context, client: Client
) -> None:
    await _rule(filled, "never")
    used = await delete(filled, await publish(filled, name="kit", version="0.9"))
    await destroy(filled, used.id)
    deletion = await delete(filled, await publish(filled, name="kit"))

    with pytest.raises(ConflictError, match="was deleted before"):
        await restore(filled, deletion.id, rename_to="0.9")
    restored = await restore(filled, deletion.id)

    assert await status_of(filled, restored.package_id) == "default"
    assert (await _put(client, file_name="more.bin"))[0] == 201
    again = await delete(filled, restored.package_id)
    assert (await restore(filled, again.id, rename_to="1.1")).restored_as == "1.1"
    assert await _put(client) == (400, _USED)


@EITHER_END
async def test_an_upload_waits_for_the_deletion_that_uses_the_version(filled: Context, *, commits: bool) -> None:
    await _rule(filled, "never")
    package_id = await publish(filled, name="kit")

    async with held_open(filled, lambda one: delete(one, package_id)) as deleting:
        upload = await begun_waiting(filled, lambda one: publish(one, name="kit", files=["more"]))
        await deleting.end(commits=commits)

        assert await answer_of(upload) == (400 if commits else OK)


@EITHER_END
async def test_an_upload_waits_for_the_worker_that_ends_the_last_package(filled: Context, *, commits: bool) -> None:
    await _rule(filled, "when_gone")
    deletion = await delete(filled, await publish(filled, name="kit"))
    worker = Worker()
    await worker.claim(filled, deletion.id)
    await worker.prepare_chunk(filled)

    async with held_open(filled, worker.record) as ending:
        upload = await begun_waiting(filled, lambda one: publish(one, name="kit"))
        await ending.end(commits=commits)

        assert await answer_of(upload) == (OK if commits else 400)


@pytest.mark.parametrize(
    ("package_type", "handler", "answer"),
    [
        ("generic", "upload_generic_file", 201),
        ("npm", "publish_npm_package", 403),
        ("pypi", "publish_pypi_file", 201),
    ],
    ids=["generic", "npm", "pypi"],
)
async def test_an_upload_that_meets_a_restore_wants_the_same_lock_first(
    filled: Context, client: Client, package_type: str, handler: str, answer: int
) -> None:
    await _rule(filled, "when_gone")
    deletion = await delete(filled, await bring_in(filled, package_type=package_type, name="kit", version="1.0.0"))

    async def upload(_: Context) -> int:
        return (await UPLOADS[handler](client, PUBLIC, "1.0.0", DEVELOPER)).status

    async with filled.database.transaction() as restoring:
        await restoring.execute("SELECT FROM package WHERE id = $1 FOR UPDATE", deletion.package_id)
        uploading = await begun_waiting(filled, upload)
        # The upload has written nothing that the restore would wait for.
        await restoring.execute("SET LOCAL lock_timeout = '1s'")
        await restoring.execute("UPDATE package SET status = 'default' WHERE id = $1", deletion.package_id)

    assert await uploading == answer
    assert await status_of(filled, deletion.package_id) == "default"

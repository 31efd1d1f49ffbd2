"""`packyard deletions bulk-delete`: what would go, what went, and when nobody is asked."""

import asyncio
import re
import signal
from typing import Any, Final
from uuid import UUID

import pytest

from schemas.http.bulk import GroupPackageFilter
from service.context import Context
from tests.support.catalogue import publish, query, status_of
from tests.support.commands import Commands, cells_in
from tests.support.packages import bring_in
from tests.support.ways import Way
from workers.deleter.batch import carry_out

_BULK: Final = ("deletions", "bulk-delete")
_OPEN: Final = (*_BULK, "--project", "acme/open")


async def _deletions(context: Context) -> list[dict[str, Any]]:
    return [dict(row) for row in await query(context, "SELECT * FROM deletion ORDER BY id")]


async def test_a_dry_run_shows_what_would_go_and_changes_nothing(filled: Context, packyard: Commands) -> None:
    first = await publish(filled, name="app", version="1.0", files=["x", "y"], content=b"12345678")
    second = await publish(filled, name="app", version="2.0")

    ended = await packyard.run(*_OPEN, first, second, first, 987_654, "--dry-run")

    assert (ended.status, ended.err) == (1, "")
    assert cells_in(ended.out) == [
        ["package", "project", "type", "name", "version", "files", "size"],
        [str(first), "100", "generic", "app", "1.0", "2", "16 bytes"],
        [str(second), "100", "generic", "app", "2.0", "1", "5 bytes"],
        ["package", "refused because"],
        ["987654", "404 Not found"],
    ]
    assert ended.out.endswith("would delete 2 packages: 3 files, 21 bytes; 1 refused\n")
    assert await _deletions(filled) == []


async def test_what_is_deleted_goes_to_the_bulk_queue_with_its_reason(
    filled: Context, packyard: Commands, stop: asyncio.Event
) -> None:
    first, second = await publish(filled, name="a", files=["x", "y"]), await publish(filled, name="b")
    kept = await publish(filled, name="kept")

    ended = await packyard.done(*_OPEN, first, second, "--yes", "--reason", "too old")

    line, batch = ended.out.splitlines()[-2:]
    assert line == "deleting 2 packages: 3 files, 15 bytes"
    found = await _deletions(filled)
    same = ("lane", "cause", "reason", "credential", "requested_by", "requested_level")
    assert {tuple(one[name] for name in same) for one in found} == {
        ("bulk", "bulk", "too old", "command_line", None, 60)
    }
    assert {one["batch_id"] for one in found} == {UUID(batch.removeprefix("batch "))}
    await carry_out(filled, [one["id"] for one in found], stop)
    assert [await status_of(filled, package_id) for package_id in (first, second, kept)] == [None, None, "default"]


async def test_json_and_ndjson_are_as_the_api_answers(filled: Context, packyard: Commands) -> None:
    package_id = await publish(filled)

    (planned,) = (await packyard.run(*_OPEN, package_id, 7_777, "--dry-run", "--json")).lines
    lines = (await packyard.run(*_OPEN, package_id, 7_777, "--dry-run", "--ndjson")).lines
    (done,) = (await packyard.done(*_OPEN, package_id, "--yes", "--json")).lines

    (deletion,) = await _deletions(filled)
    package = {
        "id": package_id,
        "project_id": 100,
        "package_type": "generic",
        "name": "app",
        "version": "1.0",
        "files": 1,
        "bytes": 5,
    }
    assert planned == {
        "dry_run": True,
        "batch_id": None,
        "packages": 1,
        "files": 1,
        "bytes": 5,
        "remaining": 0,
        "accepted": [{**package, "deletion_id": None}],
        "refused": [{"id": 7_777, "reason": "404 Not found"}],
        "_links": None,
    }
    assert lines == [
        {"outcome": "accepted", "id": package_id, "reason": None, "package": {**package, "deletion_id": None}},
        {"outcome": "refused", "id": 7_777, "reason": "404 Not found", "package": None},
    ]
    assert (done["dry_run"], done["batch_id"]) == (False, str(deletion["batch_id"]))
    assert done["accepted"] == [{**package, "deletion_id": str(deletion["id"])}]
    place = "http://127.0.0.1:8080/api/v4/projects/acme%2Fopen"
    assert done["_links"]["batch"] == f"{place}/deletion_batches/{deletion['batch_id']}"


async def test_every_condition_of_the_api_is_an_option(filled: Context, packyard: Commands) -> None:
    old, older = "2020-06-01T00:00:00Z", "2020-01-01T00:00:00.000Z"
    await bring_in(filled, name="a", version="1", created_at=older)
    await bring_in(filled, name="a", version="2", created_at="2021-01-01T00:00:00.000Z")
    await bring_in(filled, name="b", version="1", created_at=older, last_downloaded_at="2024-01-01T00:00:00.000Z")
    await bring_in(filled, name="c", version=None, created_at=older)
    await bring_in(filled, name="d", version="1", package_type="pypi", created_at=older, status="error")
    await bring_in(filled, name="low", version="1", project="acme/labs/anvil")

    async def planned(*options: object, place: tuple[str, str] = ("--project", "acme/open")) -> list[str]:
        lines = (await packyard.done(*_BULK, *place, "--dry-run", "--ndjson", *options)).lines
        return [f"{line['package']['name']} {line['package']['version']}" for line in lines]

    everything = ["a 1", "a 2", "b 1", "d 1", "low 1"]
    asked = {
        "--package-type": (await planned("--package-type", "pypi"), ["d 1"]),
        "--package-name": (await planned("--package-name", "a"), ["a 1", "a 2"]),
        "--package-version": (await planned("--package-version", "2"), ["a 2"]),
        "--include-versionless": (await planned("--package-name", "c", "--include-versionless"), ["c None"]),
        "--status": (await planned("--status", "error"), ["d 1"]),
        "--created-before": (await planned("--created-before", old), ["a 1", "b 1", "d 1"]),
        "--last-downloaded-before": (
            await planned("--last-downloaded-before", "2023-01-01T00:00:00Z", "--package-type", "npm"),
            ["a 1", "a 2"],
        ),
        "--keep-latest-per-name": (await planned("--keep-latest-per-name", 1), ["a 1", "d 1"]),
        "--exclude-subgroups": (
            await planned("--created-before", "2100-01-01T00:00:00Z", "--exclude-subgroups", place=("--group", "acme")),
            everything[:-1],
        ),
    }

    assert {option: found for option, (found, _) in asked.items()} == {
        option: expected for option, (_, expected) in asked.items()
    }
    assert [option.removeprefix("--").replace("-", "_") for option in asked] == list(GroupPackageFilter.model_fields)
    assert await planned("--created-before", "2100-01-01T00:00:00Z", place=("--group", "10")) == everything


async def test_what_is_under_a_hold_is_refused_with_its_reason(filled: Context, packyard: Commands) -> None:
    package_id = await publish(filled, project_id=102)
    free = await publish(filled)
    await query(filled, "UPDATE project SET deletion_hold = 'an audit' WHERE id = 102")

    ended = await packyard.run(*_BULK, "--group", "acme", "--package-name", "app", "--yes")

    assert ended.status == 1
    assert cells_in(ended.out)[-1] == [str(package_id), "403 Forbidden - Deletions are on hold: an audit"]
    assert [one["package_id"] for one in await _deletions(filled)] == [free]


async def test_a_set_of_another_size_than_expected_is_refused_whole(filled: Context, packyard: Commands) -> None:
    ids = [await publish(filled, version=f"{number}.0") for number in range(2)]

    for more in ("--yes", "--dry-run"):
        ended = await packyard.run(*_OPEN, *ids, "--expected-count", 3, more)
        assert (ended.status, ended.out) == (1, "")
        assert ended.err == "packyard: 2 packages would be deleted, 3 were expected\n"

    assert await _deletions(filled) == []
    await packyard.done(*_OPEN, *ids, "--expected-count", 2, "--yes")
    assert len(await _deletions(filled)) == 2


async def test_where_nothing_matches_nothing_is_said_to_go(filled: Context, packyard: Commands) -> None:
    ended = await packyard.done(*_OPEN, "--package-name", "nothing", "--yes", "--watch")

    assert ended.out == "deleting 0 packages: 0 files, 0 bytes\n"


async def test_of_many_the_first_are_shown_and_the_others_counted(filled: Context, packyard: Commands) -> None:
    await query(
        filled,
        "INSERT INTO package (project_id, package_type, name, version)"
        " SELECT 100, 'npm', 'p-' || n, '1.0' FROM generate_series(1, 10050) n",
    )

    ended = await packyard.done(*_OPEN, "--package-type", "npm", "--dry-run")
    listed = await packyard.run(*_OPEN, "--package-type", "npm", "--dry-run", "--ndjson")

    assert len(cells_in(ended.out)) == 51
    assert ended.out.splitlines()[-2:] == [
        "and 9,950 more",
        "would delete 10,000 packages: 0 files, 0 bytes; 50 more match, which need another call",
    ]
    assert (len(listed.lines), listed.err) == (10_000, ended.out.splitlines()[-1] + "\n")


async def test_beside_the_lines_stands_in_which_batch_they_are(filled: Context, packyard: Commands) -> None:
    package_id = await publish(filled)

    done = await packyard.run(*_OPEN, package_id, "--yes", "--ndjson")

    (deletion,) = await _deletions(filled)
    assert done.err == f"deleting 1 package: 1 file, 5 bytes\nbatch {deletion['batch_id']}\n"
    assert [line["id"] for line in done.lines] == [package_id]


async def test_at_a_terminal_it_asks_and_deletes_what_was_shown(filled: Context, packyard: Commands) -> None:
    ids = [await publish(filled, version=f"{number}.0") for number in range(2)]
    question = "Delete 2 packages? [y/N]:"

    refused = await packyard.at_terminal(*_OPEN, *ids)
    await refused.until_shown(question)
    refused.answer("\n")
    assert await refused.end() == 1
    assert "Aborted!" in refused.shown
    assert await _deletions(filled) == []

    agreed = await packyard.at_terminal(*_OPEN, *ids)
    await agreed.until_shown(question)
    agreed.answer("y\n")

    assert await agreed.end() == 0
    shown = agreed.shown
    assert "would delete 2 packages: 2 files, 10 bytes" in shown
    assert "deleting 2 packages: 2 files, 10 bytes" in shown
    assert shown.count("generic") == 2
    assert [one["package_id"] for one in await _deletions(filled)] == ids


async def test_what_changed_while_it_asked_is_not_deleted_unseen(filled: Context, packyard: Commands) -> None:
    await publish(filled, version="1.0")
    question = "Delete 1 package? [y/N]:"
    terminal = await packyard.at_terminal(*_OPEN, "--package-name", "app")
    await terminal.until_shown(question)

    await publish(filled, version="2.0")
    terminal.answer("y\n")

    assert await terminal.end() == 1
    assert "packyard: 2 packages would be deleted, 1 were expected" in terminal.shown
    assert await _deletions(filled) == []


@pytest.mark.parametrize("stopped_by", [signal.SIGINT, signal.SIGTERM, None])
async def test_who_cannot_know_what_became_of_it_is_told_how_to_find_out(
    filled: Context, packyard: Commands, database_url: str, stopped_by: signal.Signals | None
) -> None:
    package_id = await publish(filled)
    way = Way(database_url)
    await way.open()
    async with filled.database.transaction() as connection:
        await connection.execute("SELECT FROM package WHERE id = $1 FOR UPDATE", package_id)
        running = await packyard.start(*_OPEN, package_id, "--yes", changed={"PACKYARD_DATABASE_URL": way.url})
        await _until_one_waits(filled)
        if stopped_by:
            running.process.send_signal(stopped_by)
        else:
            await way.close()
        ended = await running.end()

    assert (ended.status, ended.out) == (1, "")
    told = re.search(r"`packyard (deletions show --batch \S+)` reports whether they were accepted", ended.err)
    assert told, ended.err
    assert "Traceback" not in ended.err
    if stopped_by:
        await way.close()
    assert (await packyard.run(*told[1].split())).err == "packyard: there is no deletion of such a batch\n"
    assert await status_of(filled, package_id) == "default"


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["1"], 2, "Error: give either --project or --group"),
        (["--project", "acme/open", "--group", "acme", "1"], 2, "Error: give either --project or --group"),
        (["--project", "acme/open"], 2, "Error: give either the IDs of packages or conditions such as --package-name"),
        (
            ["--project", "acme/open", "1", "--package-name", "a"],
            2,
            "Error: give either the IDs of packages or conditions such as --package-name",
        ),
        (
            ["--project", "acme/open", "1"],
            2,
            "Error: nobody can be asked, for standard input is no terminal: give --yes, ",
        ),
        (["--project", "acme/nothing", "1", "--yes"], 1, "packyard: there is no project acme/nothing"),
        (["--group", "nothing", "1", "--yes"], 1, "packyard: there is no group nothing"),
        (["--project", "acme/off", "1", "--yes"], 1, "packyard: packages are switched off in acme/off"),
        (["--project", "acme/open", "x", "--yes"], 2, "Error: Invalid value for '[ID]...': 'x' is not a valid integer"),
        (["--project", "acme/open", "0", "--yes"], 2, "Error: Invalid value for '[ID]...': 0 is not in the range"),
        (["--project", "acme/open", "--include-versionless", "--yes"], 2, "Error: the filter should hold a condition"),
        (["--project", "acme/open", "--package-name", "", "--yes"], 2, "Error: --package-name should have at least 1 "),
        (
            ["--project", "acme/open", "--keep-latest-per-name", "0", "--yes"],
            2,
            "Error: --keep-latest-per-name should be greater than or equal to 1",
        ),
        (
            ["--project", "acme/open", "--created-before", "yesterday", "--yes"],
            2,
            "Error: --created-before should be a timestamp with a zone, such as 2030-01-31T12:00:00Z",
        ),
        (["--project", "acme/open", "--status", "hidden", "--yes"], 2, "Error: Invalid value for '--status': 'hidden'"),
        (
            ["--project", "acme/open", "--package-name", "a", "--exclude-subgroups"],
            2,
            "Error: --exclude-subgroups goes with --group",
        ),
        (
            ["--project", "acme/open", *range(1, 10_002), "--yes"],
            2,
            "Error: at most 10,000 packages can be deleted at a time",
        ),
        (["--project", "acme/open", "1", "--yes", "--reason", "x" * 1_001], 2, "Error: --reason should have at most "),
        (["--project", "acme/open", "1", "--dry-run", "--watch"], 2, "Error: --watch cannot go with --dry-run"),
    ],
)
async def test_what_is_wrong_is_named_and_deletes_nothing(
    filled: Context, packyard: Commands, arguments: list[object], status: int, line: str
) -> None:
    package_id = await publish(filled)

    await packyard.refused(*_BULK, *arguments, status=status, line=line)
    assert await status_of(filled, package_id) == "default"


async def test_a_project_that_has_moved_is_named_by_its_path_of_now(filled: Context, packyard: Commands) -> None:
    package_id = await publish(filled)
    await query(filled, "INSERT INTO project_alias (path, project_id) VALUES ('acme/before', 100)")

    ended = await packyard.run(*_BULK, "--project", "acme/before", package_id, "--yes")

    assert (ended.status, ended.err) == (1, "packyard: the project acme/before is acme/open now\n")


async def _until_one_waits(context: Context) -> None:
    """Return when somebody waits for a lock in the database of the test."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with asyncio.timeout(20):
        while not await query(context, waiting):
            await asyncio.sleep(0.05)

"""`packyard deletions list` and `show`: the output about deletions for a person, or a script."""

import asyncio
import re
from typing import Final
from uuid import UUID

import pytest

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import delete, publish, query
from tests.support.commands import Commands, cells_in
from tests.support.packages import API, MAINTAINER, bring_in, json_of
from workers.deleter.batch import carry_out

_UNKNOWN: Final = UUID(int=7)


async def test_deletions_are_filtered_by_each_of_their_words(
    filled: Context, packyard: Commands, stop: asyncio.Event
) -> None:
    done = await delete(filled, await publish(filled, name="left-pad"))
    await carry_out(filled, [done.id], stop)
    await delete(filled, await publish(filled, name="right-pad"))
    npm = await delete(filled, await bring_in(filled, name="anvil"))
    await delete(filled, await publish(filled, name="below", project_id=102), project_id=102)
    await query(filled, "UPDATE deletion SET batch_id = $1 WHERE id = $2", UUID(int=1), npm.id)

    async def found(*filters: object) -> list[str]:
        return [
            line["package"]["name"] for line in (await packyard.done("deletions", "list", "--json", *filters)).lines
        ]

    assert await found() == ["below", "anvil", "right-pad", "left-pad"]
    assert await found("--state", "succeeded") == ["left-pad"]
    assert await found("--name", "pad RIGHT") == ["right-pad"]
    assert await found("--package-name", "pad") == ["right-pad", "left-pad"]
    assert await found("--type", "npm") == ["anvil"]
    assert await found("--batch", UUID(int=1)) == ["anvil"]
    assert await found("--project", "acme/open", "--state", "queued") == ["anvil", "right-pad"]
    assert await found("--project", 102) == ["below"]
    assert await found("--group", "acme") == ["below", "anvil", "right-pad", "left-pad"]
    assert await found("--group", "acme/labs") == ["below"]
    assert await found("--name", "nothing") == []


async def test_a_list_that_has_more_says_how_to_go_on(filled: Context, packyard: Commands) -> None:
    made = [str((await delete(filled, await publish(filled, name=f"app-{number}"))).id) for number in range(5)]

    first = await packyard.run("deletions", "list", "--limit", 3, "--json")
    second = await packyard.done("deletions", "list", "--cursor", first.err.split()[-1], "--json")

    assert first.err.startswith("there are more: --cursor ")
    assert [line["id"] for line in first.lines + second.lines] == made[::-1]


async def test_a_list_goes_beyond_a_page_of_the_api(filled: Context, packyard: Commands) -> None:
    package_id = await publish(filled)
    await query(
        filled,
        "INSERT INTO deletion (id, request_event_id, project_id, root_group_id, package_id, package_type,"
        " package_name, prior_status, lane, cause, requested_level, credential, state, finished_at, files_total,"
        " bytes_total, wake_at)"
        " SELECT gen_random_uuid(), gen_random_uuid(), 100, 10, $1, 'generic', 'app', 'default', 'bulk', 'bulk', 40,"
        " 'command_line', 'succeeded', now(), 0, 0, now() FROM generate_series(1, 250)",
        package_id,
    )

    ended = await packyard.run("deletions", "list", "--limit", 240, "--json")

    assert (ended.status, len({line["id"] for line in ended.lines})) == (0, 240)
    assert "there are more" in ended.err


async def test_what_looks_like_markup_or_moves_a_cursor_is_shown_as_it_is(filled: Context, packyard: Commands) -> None:
    deletion = await delete(filled, await bring_in(filled, name="[red]app[/oops]"))
    await query(filled, "UPDATE deletion SET last_error = $1, reason = $2", "[/bold] \x1b[2J", "two\nlines\x1b]0;x\x07")

    listed = await packyard.done("deletions", "list")
    shown = await packyard.done("deletions", "show", deletion.id)

    assert "[red]app[/oops]" in listed.out
    assert "[/bold] \ufffd[2J" in listed.out
    assert "two lines\ufffd]0;x\ufffd" in shown.out
    assert "\x1b" not in listed.out + shown.out


async def test_a_narrow_terminal_shows_whole_ids_and_fewer_columns(filled: Context, packyard: Commands) -> None:
    deletion = await delete(filled, await publish(filled, name="a-name-that-is-longer-than-its-column"))

    shown = []
    for columns in (80, 160):
        terminal = await packyard.at_terminal("deletions", "list", columns=columns)
        assert await terminal.end() == 0
        shown.append([line.strip() for line in terminal.shown.splitlines()])

    narrow, broad = shown
    assert re.fullmatch(rf"{deletion.id}  a-name-that-is-l\S*…  queued  (now|\d+ s ago)", narrow[1]), narrow
    assert narrow[0].split() == ["deletion", "package", "state", "requested"]
    assert len(narrow) == len(broad) == 2
    assert max(map(len, narrow)) <= 80
    assert re.fullmatch(r"\S+  a-name-that-is-longer-than-its-column 1.0  queued  \d+ s ago +0/1 +5 bytes +0", broad[1])


async def test_a_list_is_printed_in_other_ways(filled: Context, packyard: Commands) -> None:
    deletion = await delete(filled, await publish(filled))
    moment = deletion.requested_at.isoformat(timespec="seconds")

    piped = await packyard.done("deletions", "list")
    wide = await packyard.done("deletions", "list", "-o", "wide")
    names = await packyard.done("deletions", "list", "-o", "name")
    lines = (await packyard.done("deletions", "list", "-o", "json")).lines

    assert cells_in(piped.out)[1] == [str(deletion.id), "app 1.0", "queued", moment, "0/1", "5 bytes", "0"]
    assert cells_in(wide.out)[1] == [*cells_in(piped.out)[1][:5], "5", "0", "100", "generic", "mary"]
    assert names.out == f"{deletion.id}\n"
    assert [line["_links"]["self"] for line in lines] == [
        f"http://127.0.0.1:8080/api/v4/projects/100/deletions/{deletion.id}"
    ]


async def test_where_there_is_nothing_it_says_so(filled: Context, packyard: Commands) -> None:
    found = [
        (await packyard.done("deletions", *arguments)).out
        for arguments in (["list"], ["holds"], ["list", "-o", "json"], ["list", "-o", "name"])
    ]

    assert found == ["no deletions\n", "no holds\n", "", ""]


async def test_a_deletion_tells_who_asked_what_of_it_when_and_with_what(
    filled: Context, client: Client, packyard: Commands
) -> None:
    package_id = await publish(filled, files=["a", "b"])
    gone = await client.delete(f"{API}/projects/100/packages/{package_id}?reason=too+old", headers=MAINTAINER)
    deletion_id = gone.headers["Deletion-Id"]
    await query(filled, "UPDATE project SET deletion_hold = 'an audit' WHERE id = 100")
    held = await packyard.done("deletions", "show", deletion_id)
    await packyard.done("deletions", "restore", deletion_id)

    shown = await packyard.done("deletions", "show", deletion_id)
    (told,) = (await packyard.done("deletions", "show", deletion_id, "--json")).lines

    assert "hold           an audit\n" in held.out
    assert "files          0 of 2 gone\nsize           0 bytes of 10 bytes gone\n" in held.out
    assert [act[1:] for act in cells_in(shown.out)[-3:]] == [
        ["who", "did what", "with", "reason"],
        ["mary", "delete", "personal_access_token", "too old"],
        ["-", "restore", "command_line"],
    ]
    assert told == await json_of(await client.get(f"{API}/projects/100/deletions/{deletion_id}", headers=MAINTAINER))


async def test_a_batch_is_shown_with_its_states_and_what_holds_it(
    filled: Context, client: Client, packyard: Commands, stop: asyncio.Event
) -> None:
    made = [await delete(filled, await publish(filled, version=f"{number}.0")) for number in range(3)]
    await query(filled, "UPDATE deletion SET batch_id = $1, reason = 'tidying'", UUID(int=5))
    await carry_out(filled, [made[0].id], stop)
    await query(filled, "UPDATE directory_group SET deletion_hold = 'an audit' WHERE path = 'acme'")

    shown = await packyard.done("deletions", "show", "--batch", UUID(int=5))
    (told,) = (await packyard.done("deletions", "show", "--batch", UUID(int=5), "--json")).lines

    assert "reason     tidying\n" in shown.out
    assert "hold       an audit\n" in shown.out
    assert cells_in(shown.out)[-3:] == [["state", "deletions"], ["queued", "2"], ["succeeded", "1"]]
    batch = await json_of(await client.get(f"{API}/projects/100/deletion_batches/{UUID(int=5)}", headers=MAINTAINER))
    assert told == {name: value for name, value in batch.items() if name != "_links"}


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["list", "--project", "acme/nothing"], 1, "packyard: there is no project acme/nothing"),
        (["list", "--group", "nothing"], 1, "packyard: there is no group nothing"),
        (["list", "--project", "1", "--group", "1"], 2, "Error: --project and --group cannot go together"),
        (["list", "--cursor", "x"], 1, "packyard: cursor is invalid"),
        (["list", "--state", "gone"], 2, "Error: Invalid value for '--state': 'gone' is not one of 'queued', "),
        (["list", "--batch", "1"], 2, "Error: Invalid value for '--batch': '1' is not a valid UUID."),
        (["list", "--project", "\udcff"], 2, "Error: Invalid value for '--project': is not valid UTF-8"),
        (["list", "--name", " ".join(map(str, range(60)))], 2, "Error: --package-name should be at most 50 different "),
        (["list", "--json", "-o", "wide"], 2, "Error: give one of --output, --json and the like"),
        (
            ["list", "-o", "yaml"],
            2,
            "Error: Invalid value for '-o' / '--output': 'yaml' is not one of 'table', 'wide',",
        ),
        (["show"], 2, "Error: give either the id of a deletion or --batch"),
        (["show", _UNKNOWN, "--batch", _UNKNOWN], 2, "Error: give either the id of a deletion or --batch"),
        (["show", "7"], 2, "Error: Invalid value for '[DELETION_ID]': '7' is not a valid UUID."),
        (["show", _UNKNOWN], 1, "packyard: there is no such deletion"),
        (["show", "--batch", _UNKNOWN], 1, "packyard: there is no deletion of such a batch"),
    ],
)
async def test_what_is_wrong_is_named(
    filled: Context, packyard: Commands, arguments: list[object], status: int, line: str
) -> None:
    await packyard.refused("deletions", *arguments, status=status, line=line)

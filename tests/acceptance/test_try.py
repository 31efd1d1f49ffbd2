"""`packyard try`, which `helm test` runs: one package through its whole life, over HTTP alone."""

from pathlib import Path

import pytest

from tests.support.observer import rows
from tests.support.yard import Yard


async def test_it_sees_a_package_come_and_go_and_leaves_none(
    directory: Yard, database_url: str, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("maintainer-token\n", encoding="utf-8")
    await directory.start("serve", "relay", "work")
    said = await directory.run("try", directory.base_url, "--project", "acme/open", "--token-file", str(token))

    assert [line.partition(": ")[0] for line in said.splitlines()] == [
        "upload",
        "find the package",
        "DELETE",
        "see the deletion succeed",
        "see the file gone",
        "see the event",
    ]
    (left,) = await rows(database_url, "SELECT count(*) FROM package WHERE name = 'packyard-try'")
    assert left["count"] == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [((), "a project and a token are needed"), (("--project", "acme/open"), "test.tokenSecret")],
    ids=["nothing", "no token"],
)
async def test_it_says_in_one_line_what_is_missing(yard: Yard, options: tuple[str, ...], reason: str) -> None:
    said = await yard.run("try", yard.base_url, *options, status=1)

    assert said.count("\n") == 1
    assert reason in said

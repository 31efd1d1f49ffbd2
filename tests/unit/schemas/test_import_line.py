"""The lines of an import file: how they are cut, and what each must be."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.names import PackageType
from schemas.statuses import PackageStatus
from service.importing.lines import LONGEST_IMPORT_LINE, Line, NotNdjsonError, read_lines, read_ndjson
from service.importing.local_files import FileRefusedError, Folder
from service.importing.reading import RefusedLine, read_line
from service.importing.rows import ImportCandidate

PLAIN: dict[str, Any] = {"project": "acme/anvil", "package_type": "npm", "name": "left-pad"}


def refusal(**changes: object) -> str:
    found = read_line(Line(7, json.dumps(PLAIN | changes).encode(), 0))
    assert isinstance(found, RefusedLine)
    assert found.line == 7
    return found.reason


def accepted(**changes: object) -> ImportCandidate:
    found = read_line(Line(7, json.dumps(PLAIN | changes).encode(), 0))
    assert isinstance(found, ImportCandidate)
    return found


def test_only_project_type_and_name_must_be_there() -> None:
    package = accepted().package

    assert (package.version, package.status, package.files) == (None, PackageStatus.DEFAULT, ())


@pytest.mark.parametrize("package_type", PackageType)
@pytest.mark.parametrize("status", PackageStatus)
def test_every_type_and_status_can_be_imported(package_type: PackageType, status: PackageStatus) -> None:
    assert accepted(package_type=package_type, status=status).package.status is status


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"versoin": "1"}, "versoin: unknown key"),
        ({"project": "anvil"}, "project: should begin with the path of the project's group, as in group/project"),
        ({"name": ""}, "name: should have at least 1 character"),
        ({"name": "a\0"}, "name: should not hold control characters"),
        ({"name": 7}, "name: should be text"),
        ({"id": "7"}, "id: should be a valid integer"),
        ({"id": 0}, "id: should be greater than or equal to 1"),
        ({"id": 2**53}, "id: should be less than 9007199254740992"),
        (
            {"status": "gone"},
            "status: should be 'default', 'hidden', 'processing', 'error', 'pending_destruction' or 'deprecated'",
        ),
        ({"created_at": "2019-11-27T03:37:38"}, "created_at: should have timezone info"),
        ({"created_at": 1574826818}, "created_at: should be a timestamp with a zone, such as 2030-01-31T12:00:00Z"),
        ({"created_at": "0001-01-01T00:00:00+14:00"}, "created_at: should be in the years 1900 to 9998"),
        ({"tags": ["a", "a"]}, "tags: should not repeat anything"),
        ({"conan": {"username": "u", "channel": "c"}}, "conan is for packages of type conan only"),
        ({"files": [{"file_name": "a"}]}, "files[0]: should have either content or path"),
        ({"files": [{"file_name": "a", "content": "", "path": "a"}]}, "files[0]: should have either content or path"),
        ({"files": [{"file_name": "a", "path": "/etc/passwd"}]}, "files[0].path: should be a path below --files-from"),
        ({"files": [{"file_name": "a", "path": "a/../../b"}]}, "files[0].path: should be a path below --files-from"),
        (
            {"files": [{"file_name": "a", "content": "", "pipelines": [5]}]},
            "files[0].pipelines: 5 is none of the package's pipelines",
        ),
        (
            {"pipelines": [{"id": 5, "status": "s", "ref": "r", "sha": "a"}] * 2},
            "pipelines: the id 5 is listed twice",
        ),
        (
            {"pipelines": [{"id": 5}]},
            "pipelines[0].status: is missing; pipelines[0].ref: is missing; pipelines[0].sha: is missing",
        ),
    ],
)
def test_a_bad_line_is_refused_with_its_reason(changes: dict[str, object], reason: str) -> None:
    assert refusal(**changes) == reason


_NAME: str = "letters, digits and `._+-`, and neither `.` nor `..`"
_VERSION: str = "letters, digits and `_.+-`, without two dots in a row"
_FILE: str = (
    "letters, digits and `._+~-`, and neither `.` nor `..`, with `~` neither first nor last; "
    "with folders, percent-encoded as in docs%2Fa.txt"
)


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        *(("name", name, _NAME) for name in ("../x", "..", "a/b", "a b", "ü", "a%2Fb")),
        *(("version", version, _VERSION) for version in ("1..2", ".", "1/2", "1 0")),
        *(("file_name", name, _FILE) for name in ("../x", "d/a", "a b", "~a", "..%2Fa", "d%2F..%2Fa", "a%41", "d%2fa")),
    ],
)
def test_a_generic_package_is_called_as_an_upload_may_be(key: str, value: str, rule: str) -> None:
    changes = {"files": [{"file_name": value, "content": ""}]} if key == "file_name" else {key: value}
    place = "files[0].file_name" if key == "file_name" else key

    assert refusal(package_type="generic", **changes) == f"{place}: of a generic package should be {rule}"
    accepted(package_type="npm", **changes)


@pytest.mark.parametrize("name", ["a+b~c.tgz", "d%2Fa%2Bb", "d%20e%2F%C3%BC%2Fa%7Eb", f"{'d' * 250}%2Fa"])
def test_a_generic_file_keeps_the_name_that_an_upload_gave_it(name: str) -> None:
    package = accepted(package_type="generic", files=[{"file_name": name, "content": ""}]).package

    assert package.files[0].file_name == name


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{bad", "invalid JSON: key must be a string at column 2"),
        (b"[]", "should be a mapping"),
        (b"\xff", "invalid JSON: expected value at column 1"),
        (b"[" * 100_000, "invalid JSON: recursion limit exceeded at column 202"),
        (None, "is longer than 16777216 bytes"),
    ],
)
def test_what_is_no_json_object_is_refused(text: bytes | None, reason: str) -> None:
    assert read_line(Line(3, text, 0)) == RefusedLine(3, reason)


def test_many_reasons_are_cut_short() -> None:
    assert refusal(a=1, b=2, c=3, d=4, e=5) == "a: unknown key; b: unknown key; c: unknown key; and 2 more"


async def lines_of(path: Path) -> Sequence[Line]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return [line async for line in read_lines(descriptor)]
    finally:
        os.close(descriptor)


async def test_empty_lines_are_skipped_but_counted(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\r\n\n  \nfour")

    assert await lines_of(path) == [Line(1, b"one\r", 5), Line(4, b"four", 13)]


@pytest.mark.parametrize(
    "content",
    [
        b"\x1f\x8b\x08\x00" + b"\n\0" * 500,
        b"\0" * 2_000_000,
        b"project,name\nacme/anvil,app\n",
        b'[\n{"project": "acme/anvil"}]',
        b'\n{\n  "project": "acme/anvil"\n}\n',
        '{"project": "acme/anvil"}'.encode("utf-16"),
    ],
)
async def test_a_file_of_another_format_is_refused_before_its_first_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lines"
    path.write_bytes(content)

    descriptor = os.open(path, os.O_RDONLY)
    with pytest.raises(NotNdjsonError, match="this is not NDJSON"):
        await anext(read_ndjson(descriptor))
    os.close(descriptor)


async def test_a_line_that_is_too_long_is_let_go_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"x" * (LONGEST_IMPORT_LINE + 1) + b"\n" + b"y" * LONGEST_IMPORT_LINE + b"\nlast\n")

    first, second, third = await lines_of(path)

    assert first.text is None
    assert second.text == b"y" * LONGEST_IMPORT_LINE
    assert (third.number, third.text) == (3, b"last")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.binary(max_size=40).map(lambda part: part.replace(b"\n", b"."))))
async def test_lines_come_from_a_pipe_as_they_were_written(parts: list[bytes]) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"\n".join(parts))
    os.close(writing)
    try:
        found = {line.number: line.text async for line in read_lines(reading)}
    finally:
        os.close(reading)

    assert found == {number: part for number, part in enumerate(parts, start=1) if part.strip()}


@pytest.mark.parametrize("inside", ["a", "b/c", "link-to-a"])
def test_a_file_of_the_folder_is_found(tmp_path: Path, inside: str) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a").touch()
    (tmp_path / "b/c").touch()
    (tmp_path / "link-to-a").symlink_to("a")

    assert Folder(tmp_path).find(inside).is_file()


@pytest.mark.parametrize(
    ("outside", "reason"),
    [
        ("missing", "missing: no such file or directory"),
        ("folder", "folder: is not a file"),
        ("etc/passwd", "etc/passwd: leads out of the folder"),
        ("../x", "../x: leads out of the folder"),
        ("loop", "loop: cannot be read"),
        ("n" * 300, "n" * 300 + ": file name too long"),
    ],
)
def test_nothing_else_can_be_reached(tmp_path: Path, outside: str, reason: str) -> None:
    (tmp_path / "x").touch()
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "etc").symlink_to("/etc")
    (root / "loop").symlink_to("loop")

    with pytest.raises(FileRefusedError) as refused:
        Folder(root).find(outside)

    assert str(refused.value) == reason

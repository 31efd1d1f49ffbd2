"""npm's bodies, tarballs, tags and metadata, without a server."""

import gzip
import io
import json
import tarfile
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.refusals import BadParametersError, ValidationFailedError
from service.registries.npm import tarball
from service.registries.npm.cutting import TarballCutter
from service.registries.npm.documents import read_metadata
from service.registries.npm.names import is_name, require_tag
from service.registries.npm.packument import versions_of
from service.registries.npm.rows import VersionRow
from service.registries.npm.tarball import TarballReader
from tests.support.npm import packed, publication

_TARBALL: Final = packed({"name": "press", "version": "1.0.0"}, {"package/index.js": b"/" * 700})
_NOW: Final = datetime(2026, 1, 2, tzinfo=UTC)
_CUTS: Final = st.lists(st.integers(0, 3_000), max_size=8)


def _pieces(content: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({0, *(cut % (len(content) + 1) for cut in cuts), len(content)})
    return [content[start:end] for start, end in pairwise(ends)]


# The body of a publication


@settings(max_examples=40)
@given(cuts=_CUTS, is_escaped=st.booleans())
def test_the_tarball_is_cut_out_wherever_the_pieces_of_a_body_end(cuts: list[int], is_escaped: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    # All byte values, so that the base64 has slashes, which JSON may escape.
    content = bytes(range(256))
    written = json.dumps(publication(tarball=content, readme='"_attachments": {"x.tgz": {"data": "AAAA"}} \\'))
    body = (written.replace("/", "\\/") if is_escaped else written).encode()
    cutter = TarballCutter()

    found = b"".join(cutter.feed(piece) for piece in _pieces(body, cuts))

    rest = json.loads(cutter.rest)
    assert (found, cutter.file_name) == (content, "press-1.0.0.tgz")
    assert rest["_attachments"]["press-1.0.0.tgz"].pop("data") == ""
    expected = publication(tarball=content)
    assert rest["versions"] == expected["versions"]


@pytest.mark.parametrize(
    "value", [None, 1, '\\ " {', [[], {}, [{"a": "}"}]], {"data": "A", "_attachments": {"b": "]"}}]
)
def test_json_without_a_tarball_stays_as_it_is(value: object) -> None:
    body = json.dumps({"versions": value, "_attachments": [value, {"data": "AAAA"}], "data": "AAAA"}).encode()
    cutter = TarballCutter()

    assert b"".join(cutter.feed(piece) for piece in _pieces(body, [7, 31, 32, 33])) == b""
    assert bytes(cutter.rest) == body


# Tarballs


def _read(content: bytes, cuts: list[int] | None = None, *, most: int = 1024**2) -> TarballReader:
    reader = TarballReader(most)
    for piece in _pieces(content, cuts or []):
        reader.feed(piece)
    reader.close()
    return reader


@settings(max_examples=40)
@given(cuts=_CUTS)
def test_package_json_is_found_wherever_the_pieces_of_a_tarball_end(cuts: list[int]) -> None:
    found = _read(_TARBALL, cuts)

    assert json.loads(found.manifest or b"") == {"name": "press", "version": "1.0.0"}
    assert (found.files, found.unpacked) == (2, 700 + len(found.manifest or b""))


def _archive(entries: Mapping[str, bytes], *, form: int = tarfile.PAX_FORMAT, **about: Any) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=form) as archive:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            for key, value in about.items():
                setattr(entry, key, value)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_a_tarball_with_too_many_files_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarball, "_MOST_ENTRIES", 2)

    with pytest.raises(ValidationFailedError, match="has more than 2 files"):
        _read(_archive({"package/a": b"", "package/b": b"", "package/package.json": b"{}"}))


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_the_last_package_json_counts_under_any_folder_and_long_names_are_read(form: int) -> None:
    long = f"package/{'x' * 150}/package.json"

    found = _read(_archive({"a/package.json": b"1", long: b"2", "b/./package.json": b"3"}, form=form))

    assert found.manifest == b"3"


def test_a_link_and_a_deeper_package_json_are_no_manifest() -> None:
    linked = _archive({"package/package.json": b""}, type=tarfile.SYMTYPE, linkname="/etc/passwd")

    assert _read(linked).manifest is None
    assert _read(_archive({"package/lib/package.json": b"1", "package.json": b"2"})).manifest is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x", "Tarball should be a gzip-compressed tar archive"),
        (gzip.compress(b"x" * 1_024), "Tarball should be a gzip-compressed tar archive"),
        (gzip.compress(b""), "Tarball should be a gzip-compressed tar archive"),
        (_TARBALL[:-30], "Tarball should be a gzip-compressed tar archive"),
        (_archive({"../package.json": b"1"}), "Tarball should have no path that leads out of it"),
        (_archive({"/package.json": b"1"}), "Tarball should have no path that leads out of it"),
        (
            _archive({"package/package.json": bytes(1_048_577)}),
            "Tarball has a package.json of more than 1024 KiB",
        ),
        (
            _archive({"package/x": bytes(3 * 1_048_576)}),
            "Tarball has more than 2 MiB when it is unpacked",
        ),
        (
            _archive({"package/package.json": b"1"}, pax_headers={"size": "9"}),
            "Tarball has a header that can be read in two ways",
        ),
    ],
    ids=["bytes", "gzip", "nothing", "cut off", "above", "absolute", "large manifest", "large", "size in a header"],
)
def test_a_tarball_that_breaks_a_rule_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(ValidationFailedError) as refused:
        _read(content, most=2 * 1024**2)

    assert refused.value.args == (said,)


# Metadata that come back


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_metadata_that_come_back_are_read_for_versions_and_deprecations() -> None:
    body = {
        "name": "press",
        "versions": {
            "1.0.0": {"name": "other", "deprecated": "old", "x": {"deprecated": "no"}},
            "1.0.0.deprecated": {"deprecated": ""},
            "2.0.0": {"deprecated": True},
        },
    }

    found = await read_metadata(_once(json.dumps(body).encode()), name="press")

    assert found.versions == {"1.0.0", "1.0.0.deprecated", "2.0.0"}
    assert found.deprecated == {"1.0.0": "old", "1.0.0.deprecated": ""}


_WITH_NUL: Final = b'{"name": "press", "versions": {"1": {"deprecated": "\\u0000"}}}'


@pytest.mark.parametrize("body", [b"", b"{", b'{"name": "other"}', b'{"name": "press"} x', b"\xff", _WITH_NUL])
async def test_metadata_that_cannot_be_read_are_refused(body: bytes) -> None:
    with pytest.raises(BadParametersError):
        await read_metadata(_once(body), name="press")


# Tags and names


def _row(version: str, number: int = 1, **about: Any) -> VersionRow:
    facts: dict[str, Any] = {"package_id": number, "project_id": 7, "version": version, "tag": None, "tagged_at": None}
    return VersionRow(**(facts | about))


def test_of_two_projects_the_newest_package_counts_and_the_tag_that_was_set_last() -> None:
    rows = [
        _row("2.0.0", 4, project_id=8, tag="beta", tagged_at=_NOW),
        _row("1.0.0", 3, project_id=9, tag="beta", tagged_at=_NOW + timedelta(1)),
        _row("1.0.0", 2, project_id=8),
    ]

    versions = versions_of(rows)

    assert versions is not None
    assert [(row.version, row.project_id) for row in versions.rows] == [("2.0.0", 8), ("1.0.0", 9)]
    assert versions.tags == {"latest": "2.0.0", "beta": "1.0.0"}
    assert versions_of(rows[1:]).revision != versions.revision  # type: ignore[union-attr]


def test_without_a_release_latest_is_the_highest_pre_release() -> None:
    versions = versions_of([_row("1.0.0-rc.2"), _row("1.0.0-rc.1")])

    assert versions is not None
    assert versions.tags == {"latest": "1.0.0-rc.2"}


def test_versions_and_ranges_are_no_tags() -> None:
    for tag in ("latest", "next-7", "stable", "1st", "x-ray", "v-next"):
        require_tag(tag)
    for tag in ("1", "v1", "1.x", "1.2.3", "1.2.3-rc.1", "X", "", "a b", "a/b", "x" * 256):
        with pytest.raises(ValidationFailedError):
            require_tag(tag)


def test_names_are_a_scope_and_a_name_of_letters_digits_and_some_marks() -> None:
    assert all(map(is_name, ["press", "Press_1", "@acme/press", "@a.b/c-d", "x" * 255]))
    assert not any(map(is_name, ["", "@acme", "a/b", "@a/b/c", "..", "@a/..", "a b", "x" * 256, "\0"]))

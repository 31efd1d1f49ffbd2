"""NuGet packages that somebody sends: what is read of them, and what is refused."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from service.infra.storage.folder.store import FolderStore
from service.infra.storage.interface import new_key
from service.refusals import ValidationFailedError
from service.registries.archives.stored_file import read_stored
from service.registries.nuget.archives import read_package
from service.registries.nuget.nuspec import Nuspec
from service.registries.nuget.versions import is_range
from tests.support.nupkgs import NUSPEC, archive, packed

_NUSPEC: Final = "acme.press.nuspec"


@pytest.fixture
async def store(tmp_path: Path) -> FolderStore:
    """A folder that takes objects."""
    made = FolderStore(tmp_path)
    await made.adopt()
    return made


async def _read(store: FolderStore, package: bytes) -> Nuspec:
    async def once() -> AsyncIterator[bytes]:
        yield package

    return await read_stored(store, await store.put(new_key(100), once()), read_package)


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (b"no archive", "Package should be a zip archive"),
        (packed()[:-30], "Package should be a zip archive"),
        (packed().replace(b"Acme.Press.nuspecPK", b"Acme.Press.nuspecXX"), "Package should be a zip archive"),
        (archive({"readme.txt": b"x"}), "Package should have one nuspec in its root, and has 0"),
        (archive({f"lib/{_NUSPEC}": b"x"}), "Package should have one nuspec in its root, and has 0"),
        (packed(files={"other.NUSPEC": b"x"}), "Package should have one nuspec in its root, and has 2"),
        (packed(files={"../evil": b"x"}), "Package has an entry that leads out of its folder"),
        (packed(files={"lib/%2e%2e/evil": b"x"}), "Package has an entry that leads out of its folder"),
        (packed(files={"/evil": b"x"}), "Package has an entry that leads out of its folder"),
        (packed(files={"c:\\evil": b"x"}), "Package has an entry that leads out of its folder"),
        (packed(files={f"f{n}": b"" for n in range(10_000)}), "Package has too many files (maximum is 10000)"),
        (archive({_NUSPEC: bytes(1024 * 1024 + 1)}), "Package has a acme.press.nuspec of more than 1024 KiB"),
        (archive({_NUSPEC: b"<package>"}), "Nuspec is no XML that can be read"),
        (archive({_NUSPEC: b"\xff\xff"}), "Nuspec is no XML that can be read"),
        (archive({_NUSPEC: b"<package/>"}), "Nuspec has no metadata"),
        (
            archive({_NUSPEC: b'<!DOCTYPE a [<!ENTITY b "c">]><package>&b;</package>'}),
            "Nuspec should have no document type and no entities",
        ),
        (archive({_NUSPEC: b"<a>" * 9_000}), "Nuspec is no XML that can be read"),
        (archive({_NUSPEC: b"<a>" * 300_000}), "Nuspec has too many tags (maximum is 10000)"),
        (archive({_NUSPEC: b"<package><metadata><id>../b</id></metadata></package>"}), "Name is invalid"),
        (packed(version="1"), "Version is invalid"),
        (packed(version="v1.0"), "Version is invalid"),
        (packed(version="1.0.0.0.0"), "Version is invalid"),
        (packed(version="99999999999.0"), "Version is invalid"),
        (packed(version="1.0.0-rc_1"), "Version is invalid"),
        (
            packed(more="<iconUrl>javascript:x</iconUrl>"),
            "Nuspec: iconUrl should be an http or https address of at most 255 characters",
        ),
        (
            packed(more='<dependencies><dependency id="a/b"/></dependencies>'),
            "Nuspec: the id of a dependency is invalid",
        ),
        (
            packed(more='<dependencies><dependency id="a" version="[1.0"/></dependencies>'),
            "Nuspec: the version of the dependency a is invalid",
        ),
        (
            packed(more="<dependencies>" + '<dependency id="a"/>' * 4_000 + "</dependencies>"),
            "Nuspec has too many dependencies (maximum is 64 KiB)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_package_that_breaks_a_rule_is_refused(store: FolderStore, package: bytes, said: str) -> None:
    with pytest.raises(ValidationFailedError, match=re.escape(said)):
        await _read(store, package)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
async def test_a_nuspec_may_be_written_in_any_utf(store: FolderStore, encoding: str) -> None:
    text = NUSPEC.format(name="Acme.Press", version="1.0", more="<summary>Prässe</summary>")
    declared = text.replace("utf-8", encoding.removesuffix("-sig"))

    nuspec = await _read(store, archive({_NUSPEC: declared.encode(encoding)}))

    assert (nuspec.id, nuspec.summary) == ("Acme.Press", "Prässe")


async def test_long_texts_are_cut(store: FolderStore) -> None:
    nuspec = await _read(store, packed(more=f"<title>{'t' * 300}</title><summary>{'s' * 5_000}</summary>"))

    assert (len(nuspec.title or ""), len(nuspec.summary or "")) == (255, 4_000)


@pytest.mark.parametrize("text", ["1.0", "1", "[1.0]", "[1.0, 2.0)", "(,1.0]", "(1.0,)", "1.*", "*", "[1.0-beta.1+b,)"])
def test_ranges_of_versions(text: str) -> None:
    assert is_range(text)


@pytest.mark.parametrize("text", ["", "[1.0", "1.0)", "a", "[1.0,2.0,3.0]", "1.0.0.0.0", "[]", ">=1.0"])
def test_texts_that_are_no_ranges(text: str) -> None:
    assert not is_range(text)

"""Archives that somebody made to be read for hours, or to be read in another way than their installer does."""

import gzip
import hashlib
import io
import re
import tarfile
import time
from collections.abc import Callable
from typing import Final, cast

import pytest

from service.refusals import ValidationFailedError
from service.registries.archives.errors import ArchiveError
from service.registries.archives.stored_file import StoredFile
from service.registries.archives.tars import TarReader
from service.registries.helm.charts import Chart
from service.registries.helm.provenance import read_provenance
from service.registries.pypi.distributions import read_distribution
from tests.support.distributions import metadata, tarred, zipped

_LONG: Final = 2**19
"""Characters that a pattern with a square in its time reads for minutes."""
_MOST_S: Final = 2.0
_END: Final = bytes(1024)


def _entry(name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE) -> bytes:
    header = tarfile.TarInfo(name)
    header.type, header.size = kind, len(content)
    return header.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def _pax(*records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return _entry("pax", b"".join(records), kind=kind)


def _record(text: bytes) -> bytes:
    length = len(text) + 2
    while len(f"{length} ") + len(text) + 1 != length:
        length += 1
    return f"{length} ".encode() + text + b"\n"


def _read(*parts: bytes) -> TarReader:
    reader = TarReader(lambda path: path.endswith("wanted"), 1024, 2**30, 1_000)
    reader.feed(gzip.compress(b"".join(parts), compresslevel=1))
    reader.close()
    return reader


_WANTED: Final = _entry("a/wanted", b"right")
_COMMENT: Final = _record(b"comment=x\n" + _record(b"path=a/other").rstrip(b"\n"))


@pytest.mark.parametrize(
    "parts",
    [
        (_pax(b"1" * _LONG), _WANTED),
        (_pax(_record(b"path=a/../b")), _WANTED),
        (_pax(_record(b"path=a/b"), _record(b"size=1")), _WANTED),
        (_pax(_COMMENT), _WANTED),
        (_pax(_record(b"path=a/other"), kind=tarfile.XGLTYPE), _WANTED),
        (_pax(b"0 path=x\n"), _WANTED),
        (_pax(b"99999 path=x\n"), _WANTED),
        (_entry("L", b"x" * 2**21, kind=tarfile.GNUTYPE_LONGNAME), _WANTED),
        (_entry("a/wanted", b"x" * 1025),),
        (_entry("..\\wanted"),),
        (_entry("/wanted"),),
        (_entry("a/wanted") * 1_001,),
    ],
    ids=[
        "digits",
        "path out",
        "size",
        "line in a value",
        "global path",
        "no length",
        "long length",
        "long name",
        "large file",
        "backslash out",
        "absolute",
        "many entries",
    ],
)
def test_a_tar_archive_that_breaks_a_bound_or_has_two_meanings_is_refused(parts: tuple[bytes, ...]) -> None:
    began_s = time.thread_time()

    with pytest.raises(ArchiveError):
        _read(*parts, _END)

    assert time.thread_time() - began_s < _MOST_S


@pytest.mark.parametrize(
    "parts",
    [
        (_entry("a/wanted", b"wrong"), _WANTED, _END),
        (_WANTED, _END, _entry("b/wanted", b"wrong"), _END),
        (_pax(_record(b"path=a/wanted")), _pax(_record(b"comment=x"), kind=tarfile.XGLTYPE), _entry("x", b"right")),
        (
            _entry("L", b"a/wanted\0", kind=tarfile.GNUTYPE_LONGNAME),
            _entry("K", b"elsewhere\0", kind=tarfile.GNUTYPE_LONGLINK),
            _entry("x", b"right"),
        ),
    ],
    ids=["later one", "behind the end", "global header between", "long link between"],
)
def test_the_file_is_read_that_an_installer_unpacks(parts: tuple[bytes, ...]) -> None:
    assert _read(*parts, _END).content == b"right"


def test_an_archive_of_many_compressed_parts_is_refused() -> None:
    reader = TarReader(lambda _: False, 1, 2**30, 1)

    with pytest.raises(ArchiveError, match="more than 10000 compressed parts"):
        reader.feed(gzip.compress(b"") * 10_002)


class _Kept(io.BytesIO):
    """A stored file whose bytes are at hand."""

    size = 0

    def check_time(self) -> None:
        return


def _distribution(file_name: str, content: bytes) -> None:
    # Only methods that the class has are called.
    read_distribution(cast(StoredFile, _Kept(content)), file_name)


def _provenance(text: str) -> None:
    begin, end = "-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP SIGNATURE-----"
    read_provenance(f"{begin}{text}{end}", Chart("press", "1.0.0", {}), sha256=hashlib.sha256().digest())


_SLOW_LINE: Final = b"Metadata-Version: 2.4\nName:" + b" " * _LONG + b"\r\r\nVersion: 1.0\n"


@pytest.mark.parametrize(
    "read",
    [
        lambda: _distribution("foo-1.0-py3-none-any.whl", zipped({"foo-1.0.dist-info/METADATA": _SLOW_LINE})),
        lambda: _distribution("foo-1.0.tar.gz", tarred({"foo-1.0/PKG-INFO": metadata("foo", "1" * 5_000)})),
        lambda: _provenance("\n" * _LONG),
        lambda: _provenance(" " * _LONG),
    ],
    ids=["spaces in metadata", "digits in metadata", "lines in a signature", "spaces in a signature"],
)
def test_texts_are_read_in_a_time_that_grows_with_their_length(read: Callable[[], None]) -> None:
    began_s = time.thread_time()

    with pytest.raises(ValidationFailedError, match=re.compile("File|Provenance")):
        read()

    assert time.thread_time() - began_s < _MOST_S

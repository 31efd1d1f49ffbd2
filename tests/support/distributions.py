"""Wheels and source archives for tests, made in memory."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Final

from packaging.utils import parse_sdist_filename, parse_wheel_filename

_WHEEL: Final = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def metadata(name: str, version: str, *, extra: str = "") -> bytes:
    """Return the text of METADATA or PKG-INFO; *extra* are further lines."""
    return f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{extra}\nA description.\n".encode()


def distribution(file_name: str, *, extra: str = "", content: bytes = b"") -> bytes:
    """Return a wheel or source archive that fits its file name; *content* makes it different from others."""
    if file_name.endswith(".whl"):
        name, version, *_ = parse_wheel_filename(file_name)
        folder = f"{name.replace('-', '_')}-{version}.dist-info"
        record = f"a.py,,\n{folder}/METADATA,,\n{folder}/WHEEL,,\n{folder}/RECORD,,\n".encode()
        text = metadata(name, str(version), extra=extra)
        return zipped(
            {"a.py": content, f"{folder}/METADATA": text, f"{folder}/WHEEL": _WHEEL, f"{folder}/RECORD": record}
        )
    name, version = parse_sdist_filename(file_name)
    entries = {
        f"{name}-{version}/a.py": content,
        f"{name}-{version}/PKG-INFO": metadata(name, str(version), extra=extra),
    }
    return zipped(entries) if file_name.endswith(".zip") else tarred(entries)


def zipped(entries: Mapping[str, bytes]) -> bytes:
    """Return a zip archive; the time of its entries is always the same."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def tarred(entries: Mapping[str, bytes]) -> bytes:
    """Return a gzip-compressed tar archive; the time of its entries is always the same."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in entries.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return gzip.compress(made.getvalue(), mtime=0)

"""Packed NuGet packages for tests."""

import io
import zipfile
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

NUSPEC: Final = """<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd">
  <metadata>
    <id>{name}</id>
    <version>{version}</version>
    <authors>Acme</authors>
    <description>A press</description>{more}
  </metadata>
</package>
"""
SYMBOLS: Final = '<packageTypes><packageType name="SymbolsPackage" /></packageTypes>'


def packed(
    name: str = "Acme.Press",
    version: str = "1.0.0",
    *,
    more: str = "",
    method: int = zipfile.ZIP_DEFLATED,
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> bytes:
    """Return a package with that nuspec, *more* of whose metadata is XML; further *files* come after it."""
    nuspec = NUSPEC.format(name=name, version=version, more=more)
    return archive({f"{name}.nuspec": nuspec.encode(), **files}, method=method)


def archive(files: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP archive with these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for path, content in files.items():
            made.writestr(path, content)
    return buffer.getvalue()

"""The index of one package and the list of all, as HTML (PEP 503) and as JSON (PEP 691, PEP 700, PEP 714)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from html import escape
from typing import Final
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from service.registries.pypi.rows import IndexedFile

_API_VERSION: Final = "1.1"
_PAGE: Final = """<!DOCTYPE html>
<html>
  <head>
    <title>Links for {title}</title>
  </head>
  <body>
    <h1>Links for {title}</h1>
    {links}
  </body>
</html>
"""


@dataclass(frozen=True, slots=True)
class IndexAddresses:
    """The addresses in the index of a project or a group."""

    base: str
    """The address below which `simple` and `files` are, without a slash at its end."""

    def page_of(self, name: str) -> str:
        """Return the address of a package's index."""
        return f"{self.base}/simple/{quote(name)}/"

    def address_of(self, file: IndexedFile) -> str:
        """Return the address of a file; it ends in the file's name, which clients read."""
        return f"{self.base}/files/{file.sha256.hex()}/{quote(file.file_name)}"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Meta(_Model):
    """The version of the index's own format."""

    api_version: str = Field(default=_API_VERSION, alias="api-version")


class SimpleFile(_Model):
    """A file of a package."""

    filename: str
    url: str
    hashes: dict[str, str]
    requires_python: str | None = Field(default=None, alias="requires-python")
    core_metadata: dict[str, str] | None = Field(default=None, alias="core-metadata")
    size: int
    upload_time: str = Field(alias="upload-time")


class SimplePackage(_Model):
    """All files of a package that can be installed."""

    meta: Meta
    name: str
    versions: list[str]
    files: list[SimpleFile]


class SimpleName(_Model):
    """The name of a package."""

    name: str


class SimpleNames(_Model):
    """The names of all packages."""

    meta: Meta
    projects: list[SimpleName]


def html_of_package(name: str, files: Sequence[IndexedFile], addresses: IndexAddresses) -> str:
    """Return the index of a package as HTML; the attribute for Python versions is there even when it is empty."""
    return _PAGE.format(title=escape(name), links="".join(_link(file, addresses) for file in files))


def html_of_names(title: str, names: Sequence[str], addresses: IndexAddresses) -> str:
    """Return the list of all packages as HTML."""
    links = (f'<a href="{escape(addresses.page_of(name))}">{escape(name)}</a><br>' for name in names)
    return _PAGE.format(title=escape(title), links="".join(links))


def json_of_package(name: str, files: Sequence[IndexedFile], addresses: IndexAddresses) -> str:
    """Return the index of a package as JSON, of the form of SimplePackage.

    It is written without the model, which takes four times as long for a thousand files.
    """
    versions = dict.fromkeys(file.version for file in files if file.version is not None)
    return json.dumps(
        {
            "meta": {"api-version": _API_VERSION},
            "name": name,
            "versions": list(versions),
            "files": [_simple_file(file, addresses) for file in files],
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def json_of_names(names: Sequence[str]) -> str:
    """Return the list of all packages as JSON."""
    found = SimpleNames(meta=Meta(), projects=[SimpleName(name=name) for name in names])
    return found.model_dump_json(by_alias=True)


def _link(file: IndexedFile, addresses: IndexAddresses) -> str:
    metadata = f' data-core-metadata="sha256={file.metadata_sha256}"' if file.metadata_sha256 else ""
    return (
        f'<a href="{escape(addresses.address_of(file))}#sha256={file.sha256.hex()}"'
        f' data-requires-python="{escape(file.requires_python or "")}"{metadata}>{escape(file.file_name)}</a><br>'
    )


def _simple_file(file: IndexedFile, addresses: IndexAddresses) -> dict[str, object]:
    found: dict[str, object] = {
        "filename": file.file_name,
        "url": addresses.address_of(file),
        "hashes": {"sha256": file.sha256.hex()},
        "size": file.size,
        "upload-time": f"{file.created_at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z",
    }
    if file.requires_python is not None:
        found["requires-python"] = file.requires_python
    if file.metadata_sha256 is not None:
        found["core-metadata"] = {"sha256": file.metadata_sha256}
    return found

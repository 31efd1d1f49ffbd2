"""The index of one package and the list of all, as HTML (PEP 503) and as JSON (PEP 691, PEP 700, PEP 714)."""

import json
from collections.abc import Sequence
from html import escape
from typing import Final
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from service.registries.pypi.index_text import IndexText

_API_VERSION: Final = "1.1"
_HEAD: Final = """<!DOCTYPE html>
<html>
  <head>
    <title>{title}</title>
  </head>
  <body>
    <h1>{title}</h1>
    """
_TAIL: Final = b"""
  </body>
</html>
"""


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


def text_of_package(name: str, found: IndexText, links: bytes, *, is_json: bool) -> bytes:
    """Return the index of a package, as JSON of the form of SimplePackage or as HTML.

    The attribute of HTML for Python versions is there even when it is empty.
    """
    if not is_json:
        return _page(name, links)
    head = f'{{"meta":{{"api-version":"{_API_VERSION}"}},"name":{json.dumps(name, ensure_ascii=False)},"versions":['
    return b"".join((head.encode(), found.versions, b'],"files":[', links, b"]}"))


def html_of_names(title: str, names: Sequence[str], base: str) -> bytes:
    """Return the list of all packages as HTML; below *base*, each has its page."""
    links = (f'<a href="{escape(f"{base}/simple/{quote(name)}/")}">{escape(name)}</a><br>' for name in names)
    return _page(title, "".join(links).encode())


def json_of_names(names: Sequence[str]) -> bytes:
    """Return the list of all packages as JSON."""
    found = SimpleNames(meta=Meta(), projects=[SimpleName(name=name) for name in names])
    return found.model_dump_json(by_alias=True).encode()


def _page(title: str, links: bytes) -> bytes:
    return b"".join((_HEAD.format(title=escape(f"Links for {title}")).encode(), links, _TAIL))

"""Tarballs of npm packages, and the JSON that npm sends to publish them."""

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from schemas.base import Json

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


def packed(manifest: Mapping[str, Any], files: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
    """Return a tarball with that package.json, and other files before it."""
    content = {**files, "package/package.json": json.dumps(manifest).encode()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, written in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(written)
            archive.addfile(entry, io.BytesIO(written))
    return buffer.getvalue()


def publication(
    name: str = "press",
    version: str = "1.0.0",
    *,
    manifest: Mapping[str, Any] = _NONE,
    tarball: bytes | None = None,
    tag: str = "latest",
    **others: Any,
) -> Json:
    """Return the body with which npm publishes a version; *others* replace its keys."""
    written = {"name": name, "version": version, **manifest}
    content = packed(written) if tarball is None else tarball
    file_name = f"{name}-{version}.tgz"
    dist = {
        "integrity": f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}",
        "shasum": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        "tarball": f"http://elsewhere.example/{name}/-/{file_name}",
    }
    data = {"content_type": "application/octet-stream", "data": base64.b64encode(content).decode()}
    body: Json = {
        "_id": name,
        "name": name,
        "dist-tags": {tag: version},
        "versions": {version: {"_id": f"{name}@{version}", "dist": dist, **written}},
        "access": None,
        "_attachments": {file_name: {**data, "length": len(content)}},
    }
    return body | others

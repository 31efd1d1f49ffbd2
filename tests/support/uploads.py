"""Each way to upload a file, as its client does it: one for each handler that adds a file."""

import base64
import hashlib
import io
import json
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from aiohttp import ClientResponse, FormData

from tests.integration.conftest import Client
from tests.support.distributions import distribution, tarred
from tests.support.nupkgs import SYMBOLS, packed

_Headers: TypeAlias = Mapping[str, str]
Upload: TypeAlias = Callable[[Client, str, str, _Headers], Awaitable[ClientResponse]]
"""Takes the address of a project's packages, a version and headers; the package is `kit`."""

PLUGINS: Final = (
    b"<metadata><plugins><plugin><name>Kit</name><prefix>kit</prefix><artifactId>kit-maven-plugin</artifactId>"
    b"</plugin></plugins></metadata>"
)
"""Metadata that Maven publishes for a group, and that are kept."""


async def upload_pypi(client: Client, base: str, version: str, headers: _Headers) -> ClientResponse:
    """Upload a source archive as twine does."""
    form = FormData({"name": "kit", "version": version}, default_to_multipart=True)
    file_name = f"kit-{version}.tar.gz"
    form.add_field("content", distribution(file_name), filename=file_name)
    return await client.post(f"{base}/pypi", data=form, headers=headers)


async def upload_npm(client: Client, base: str, version: str, headers: _Headers) -> ClientResponse:
    """Publish a version as npm does."""
    manifest = {"name": "kit", "version": version}
    tarball = tarred({"package/package.json": json.dumps(manifest).encode()})
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    body = {
        "name": "kit",
        "dist-tags": {"latest": version},
        "versions": {version: {**manifest, "dist": {"integrity": integrity}}},
        "_attachments": {f"kit-{version}.tgz": {"data": base64.b64encode(tarball).decode(), "length": len(tarball)}},
    }
    return await client.put(f"{base}/npm/kit", json=body, headers=headers)


async def upload_maven(client: Client, base: str, version: str, headers: _Headers) -> ClientResponse:
    """Publish a jar."""
    path = f"{base}/maven/com/example/kit/{version}/kit-{version}.jar"
    return await client.put(path, data=b"a jar", headers=headers)


async def _maven_metadata(client: Client, base: str, _version: str, headers: _Headers) -> ClientResponse:
    return await client.put(f"{base}/maven/com/example/maven-metadata.xml", data=PLUGINS, headers=headers)


async def upload_helm(client: Client, base: str, version: str, headers: _Headers) -> ClientResponse:
    """Push a chart as helm's plugin does."""
    chart = tarred({"kit/Chart.yaml": f"apiVersion: v2\nname: kit\nversion: {version}\n".encode()})
    form = FormData()
    form.add_field("chart", io.BytesIO(chart), filename="kit.tgz")
    return await client.post(f"{base}/helm/api/stable/charts", data=form, headers=headers)


async def upload_nuget(client: Client, base: str, version: str, headers: _Headers) -> ClientResponse:
    """Push a package as nuget does."""
    return await _push_nuget(client, f"{base}/nuget", packed("kit", version), headers)


async def _nuget_symbols(client: Client, base: str, version: str, headers: _Headers) -> ClientResponse:
    return await _push_nuget(client, f"{base}/nuget/symbolpackage", packed("kit", version, more=SYMBOLS), headers)


async def _push_nuget(client: Client, path: str, package: bytes, headers: _Headers) -> ClientResponse:
    form = FormData()
    form.add_field("package", io.BytesIO(package), filename="package.nupkg")
    return await client.put(path, data=form, headers=headers)


async def upload_generic(client: Client, base: str, version: str, headers: _Headers) -> ClientResponse:
    """Upload a file of a generic package."""
    return await client.put(f"{base}/generic/kit/{version}/kit.bin", data=b"bytes", headers=headers)


async def _generic_below(client: Client, base: str, version: str, headers: _Headers) -> ClientResponse:
    return await client.put(f"{base}/generic/kit/{version}/folder/kit.bin", data=b"bytes", headers=headers)


UPLOADS: Final[Mapping[str, Upload]] = MappingProxyType(
    {
        "upload_generic_file": upload_generic,
        "upload_generic_file_below": _generic_below,
        "publish_pypi_file": upload_pypi,
        "publish_npm_package": upload_npm,
        "publish_maven_file": upload_maven,
        "publish_maven_metadata": _maven_metadata,
        "push_helm_chart": upload_helm,
        "push_nuget_package": upload_nuget,
        "push_nuget_symbols": _nuget_symbols,
    }
)
"""The handlers that add a file, and a way to use each."""

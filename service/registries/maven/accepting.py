"""Checksums and metadata that a client sends beside its files: compared or read, and hardly ever kept."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final, Self

from service.catalogue.uploads import UploadBody
from service.infra.storage.interface import Digests
from service.refusals import BadRequestError, ConflictError, NotFoundError, ValidationFailedError
from service.registries.maven import rows
from service.registries.maven.coordinates import METADATA_FILE, Coordinates
from service.registries.maven.metadata import LARGEST_METADATA, MetadataReader, Plugin, PluginDetails
from service.registries.maven.publishing import write_rows
from service.registries.publishers import Publisher

_LARGEST_CHECKSUM: Final = 1024
"""Bytes of a file with a checksum; some tools write the name of its file, too."""
_LARGEST_PLUGINS: Final = 1024 * 1024
"""Bytes of metadata with plugins, which are kept."""
_DIGITS: Final = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}


async def accept_checksum(
    publisher: Publisher, coordinates: Coordinates, file_name: str, algorithm: str, body: UploadBody
) -> None:
    """Compare a checksum that a client computed with that of the file; it is not kept.

    Clients that publish the same file together send the checksums of either, so each copy counts. Metadata are not
    kept either, and have other bytes when they are read.

    Raises:
        BadRequestError: it is no checksum, or is not what its sender says.
        ConflictError: it is that of other bytes.
        NotFoundError: there is no such file.
    """
    digest = await _read_checksum(body, algorithm)
    if file_name == METADATA_FILE:
        return
    async with publisher.database.connection() as connection:
        copies = await rows.find_copies(connection, publisher.project.id, coordinates, file_name)
    if not copies:
        raise NotFoundError
    known = {file.checksum(algorithm) for file in copies}
    if not known & {None, digest}:
        raise ConflictError(f"Checksum does not match ({algorithm})")


async def _read_checksum(body: UploadBody, algorithm: str) -> str:
    """Return the checksum in lower case.

    Raises:
        BadRequestError: the body has none, or is not what its sender says.
    """
    body = replace(body, max_size=_LARGEST_CHECKSUM)
    body.require_announced_size()
    content, digests = b"".join([chunk async for chunk in body.limited()]), Digests()
    digests.add(content)
    body.check(digests.stored(""))
    hexadecimal = rf"(?<![0-9A-Fa-f])[0-9A-Fa-f]{{{_DIGITS[algorithm]}}}(?![0-9A-Fa-f])"
    digest = re.search(hexadecimal, content.decode(errors="replace"))
    if digest is None:
        raise BadRequestError(f"Checksum cannot be read ({algorithm})")
    return digest[0].lower()


async def accept_metadata(publisher: Publisher, coordinates: Coordinates, body: UploadBody) -> None:
    """Read metadata that a client sends. They are kept only where they name plugins that are not known yet.

    All else that metadata say is made from rows when they are read.

    Raises:
        BadRequestError: they are too large, or their bytes do not match their checksums.
        ValidationFailedError: they are no metadata.
    """
    coordinates.require_short()
    body = replace(body, max_size=LARGEST_METADATA)
    body.require_announced_size()
    received = await _Received.of(body)
    if coordinates.version is not None or not received.plugins:
        return
    async with publisher.database.connection() as connection:
        known = await rows.list_plugins(connection, publisher.project.id, coordinates.name)
    latest = {plugin.artifact_id: plugin for plugin in known}
    if all(latest.get(plugin.artifact_id) == plugin for plugin in received.plugins):
        return
    if len(received.content) > _LARGEST_PLUGINS:
        raise ValidationFailedError("Metadata with plugins are too large (maximum is 1 MiB)")
    details = PluginDetails(plugins=tuple(received.plugins)).model_dump_json()
    kept = UploadBody(_once(bytes(received.content)))
    async with publisher.stored(kept) as stored:
        await write_rows(publisher, coordinates, METADATA_FILE, stored, details=details)


@dataclass(frozen=True, slots=True)
class _Received:
    """Metadata that came: their plugins, and their bytes unless these are too many to be kept."""

    plugins: list[Plugin]
    content: bytearray

    @classmethod
    async def of(cls, body: UploadBody) -> Self:
        reader, digests, content = MetadataReader(), Digests(), bytearray()
        async for chunk in body.limited():
            await reader.feed(chunk)
            digests.add(chunk)
            if len(content) <= _LARGEST_PLUGINS:
                content += chunk
        body.check(digests.stored(""))
        return cls(reader.plugins(), content)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content

"""Sending the metadata of a wheel without the wheel (PEP 658): they are read out of its middle."""

from typing import Final

from aiohttp import web

from service.errors import ObjectMissingError
from service.http.keys import CONTEXT
from service.http.operations import Media
from service.refusals import PackageNameNotFoundError
from service.registries.pypi.distributions import StoredMetadata

METADATA_SUFFIX: Final = ".metadata"
"""The end of an address that a file's own address does not have."""


async def send_metadata(request: web.Request, core_metadata: str | None, *, storage_key: str) -> web.Response:
    """Answer with the metadata of a wheel; *core_metadata* is JSON and says where they are in the object.

    Raises:
        PackageNameNotFoundError: it is no wheel, was published before they were noted, or went away just now.
    """
    if core_metadata is None:
        raise PackageNameNotFoundError
    stored = StoredMetadata.model_validate_json(core_metadata)
    store = request.app[CONTEXT].store
    try:
        async with store.get(storage_key, start=stored.start, end=stored.end) as pieces:
            packed = b"".join([piece async for piece in pieces])
    except ObjectMissingError as error:
        raise PackageNameNotFoundError from error
    headers = {"X-Checksum-SHA256": stored.sha256}
    return web.Response(body=stored.place.content(packed), content_type=Media.OCTETS.value, headers=headers)

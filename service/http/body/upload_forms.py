"""Multipart forms with one file, which package managers send: the file is handed on as it comes."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final, TypeAlias

from aiohttp import web
from multidict import MultiDict
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from service.http.body.incoming import incoming_body
from service.refusals import BadParametersError

_MOST_FIELDS: Final = 1_000
_LARGEST_FIELD: Final = 64 * 1024
"""Bytes of a field that are kept; the rest of a longer one is dropped."""
_LARGEST_FIELDS: Final = 1024 * 1024
"""Bytes of all fields that are kept; a form with more is refused."""

_Event: TypeAlias = MultipartSegment | bytes | bytearray | None

_UNREADABLE: Final = "body should be a multipart form"
_TOO_LONG: Final = "fields of the form should have at most 1 MiB in all"


class UploadForm:
    """A form that is read once, from its beginning to its end. Fields may come before the file and after it."""

    def __init__(
        self, request: web.Request, *, file_field: str, small_file: str = "", takes_any_name: bool = False
    ) -> None:
        """Begin before the first byte; *file_field* is the name of the field whose value is the file.

        A field named *small_file* is kept as the other fields are, also when it comes as a file. With *takes_any_name*
        the first file counts, whatever its field is named.
        """
        self.fields: MultiDict[str] = MultiDict()
        """The fields that were read so far, each with at most 64 KiB of its text."""
        self.file_name: str | None = None
        self.announced_size = max(0, (request.content_length or 0) - _LARGEST_FIELDS)
        """Bytes that the file has at least, as the client says; the other fields take a part of the request."""
        self._file_field = file_field
        self._small_file = small_file
        self._takes_any_name = takes_any_name
        self._events = _events(request)
        self._kept = 0

    async def find_file(self) -> None:
        """Read up to the first byte of the file, and the fields before it.

        Raises:
            BadParametersError: the body is no such form, or has no file.
        """
        if not await self._read_fields():
            raise BadParametersError(f"{self._file_field} is missing")

    async def bytes_of_file(self) -> AsyncIterator[bytes]:
        """Give the bytes of the file, and then read the fields after it.

        Raises:
            BadParametersError: the body breaks off, or has two files.
        """
        async for event in self._events:
            if event is None:
                break
            if not isinstance(event, MultipartSegment):
                yield bytes(event)
        if await self._read_fields():
            raise BadParametersError(f"{self._file_field} should be one file")

    async def _read_fields(self) -> bool:
        """Read fields until the file begins, or the form ends; return whether it is the file."""
        name: str | None = None
        value = bytearray()
        async for event in self._events:
            if isinstance(event, MultipartSegment):
                if event.filename and (self._takes_any_name or event.name == self._file_field):
                    self.file_name = event.filename
                    return True
                is_kept = event.filename is None or event.name == self._small_file
                name, value = (event.name if is_kept else None), bytearray()
            elif event is None:
                self._keep(name, value)
            else:
                value += event[: _LARGEST_FIELD - len(value)]
        return False

    def _keep(self, name: str | None, value: bytearray) -> None:
        if name is None:
            return
        self._kept += len(value)
        if self._kept > _LARGEST_FIELDS:
            raise BadParametersError(_TOO_LONG)
        # A cut may go through a character.
        self.fields.add(name, value.decode(errors="replace"))


async def _events(request: web.Request) -> AsyncGenerator[_Event]:
    media, options = parse_options_header(request.headers.get("Content-Type", ""))
    if media != "multipart/form-data":
        raise BadParametersError(_UNREADABLE)
    try:
        async with aclosing(incoming_body(request)) as pieces:
            with PushMultipartParser(options.get("boundary", ""), max_segment_count=_MOST_FIELDS) as parser:
                async for piece in pieces:
                    for event in parser.parse(piece):
                        yield event
    except MultipartError:
        raise BadParametersError(_UNREADABLE) from None

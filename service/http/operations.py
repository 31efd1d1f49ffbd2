"""Routes that say what they take and answer: served, checked and documented from the same words."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import GenericAlias
from typing import Final, Required, TypeAlias, TypedDict, Unpack

from aiohttp import hdrs, web

from schemas.base import Contract, Query
from service.access.callers import READING_SCOPES
from service.http.body.expect_continue import let_body_come, wait_to_be_read
from service.http.carriers import Carrier
from service.refusals import RefusedError, UnauthorizedError

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
AnyRefusal: TypeAlias = type[RefusedError] | RefusedError
"""A class where its text is always the same; an example of it where it is not."""


_PLACE: Final = re.compile(r"\{(\w+)(?::[^{}]*)?\}")
_ID: Final = re.compile(r"\{(\w+_id)\}")


READING: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
"""The methods that change nothing."""


class Media(StrEnum):
    """The media type of an answer's body."""

    JSON = "application/json"
    OCTETS = "application/octet-stream"
    NDJSON = "application/x-ndjson"
    CLOUD_EVENTS = "application/cloudevents-batch+json"
    EVENT_STREAM = "text/event-stream"
    CSV = "text/csv"
    TEXT = "text/plain"
    HTML = "text/html"
    YAML = "text/yaml"
    XML = "application/xml"
    PYPI_JSON = "application/vnd.pypi.simple.v1+json"
    NPM_INSTALL_JSON = "application/vnd.npm.install-v1+json"
    EMPTY = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that goes well."""

    status: int
    shape: object = None
    """The type of the JSON body: a resource, a list of resources, or what pydantic can describe."""
    media: Media = Media.JSON
    headers: tuple[str, ...] = ()
    description: str = ""
    """For the documentation; empty where the status explains itself."""


PAGE_HEADERS: Final = ("Link", "X-Page", "X-Per-Page", "X-Next-Page", "X-Prev-Page", "X-Total", "X-Total-Pages")


def one(shape: object, *, status: int = 200) -> Answer:
    """Answer with one resource."""
    return Answer(status, shape)


def page_of(shape: object) -> Answer:
    """Answer with a page of a list, and the headers that lead to the others."""
    return Answer(200, GenericAlias(list, (shape,)), headers=PAGE_HEADERS)


MOVED: Final = Answer(301, media=Media.TEXT, headers=("Location",))
"""Where a project is now that had the path of the request before."""

_OF_FILES: Final = ("X-Checksum-SHA256", "Content-Disposition", "Accept-Ranges")

FILE_BYTES: Final = Answer(200, media=Media.OCTETS, headers=_OF_FILES)
"""The bytes of a file."""

FILE_PART: Final = Answer(206, media=Media.OCTETS, headers=(*_OF_FILES, "Content-Range"))
"""Some of them."""

ADDRESS: Final = Answer(302, media=Media.EMPTY, headers=("Location", "X-Checksum-SHA256"))
"""Where they are, for a while."""

DELETION_ACCEPTED: Final = Answer(204, media=Media.EMPTY, headers=("Deletion-Id", "Link"))
"""A deletion that was accepted."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One method on one path: what it takes, and all that it may answer."""

    method: str
    path: str
    tag: str
    handler: Handler
    answers: tuple[Answer, ...]
    refusals: tuple[AnyRefusal, ...]
    carriers: frozenset[Carrier]
    query: type[Query] | None = None
    reading_scopes: frozenset[str] = READING_SCOPES
    """Each of these lets a user's own token read here."""
    upload_media: Media = Media.OCTETS
    """The media type of a body that is a file."""
    repeats_refusals: bool = False
    """A refusal has its sentence under both of GitLab's keys, since a client prints only one of them."""
    form_file: str = ""
    """The field of a multipart form that is the file; empty where the body itself is the file."""
    takes_bytes: bool = False
    """The body is a file."""
    body: type[Contract] | None = None
    """The type of the JSON body."""
    takes_key: bool = False
    """An Idempotency-Key makes it answer the same request only once."""
    path_rules: Mapping[str, str] = field(default_factory=dict)
    """Regular expressions for parts of the path."""
    is_hidden: bool = False
    """Not worth a word in the documentation."""
    refuses_unknown: bool = False
    """A deploy token or Basic credential that is not known is refused, also where none is needed."""
    is_index: bool = False
    """It shows a package manager what can be installed now: a client asks each time, and only for what changed."""
    is_frequent: bool = False
    """It is tried before all others; the ids of its path are numbers then."""

    @cached_property
    def plain_path(self) -> str:
        """The path without the patterns of its parts."""
        return _PLACE.sub(r"{\1}", self.path)

    @cached_property
    def numbered_path(self) -> str:
        """The path, where each id below that of the project is a number."""
        return _ID.sub(r"{\1:[0-9]+}", self.plain_path)

    @cached_property
    def parts(self) -> list[str]:
        """The names of the parts of the path that a client fills in, in their order."""
        return _PLACE.findall(self.path)

    @property
    def is_open(self) -> bool:
        """Whether it is served without a credential, if an anonymous caller may see the object."""
        return not self.takes_bytes and UnauthorizedError not in self.refusals

    @property
    def needs_body(self) -> bool:
        """Whether a body has to come: an empty object would not do."""
        return self.body is not None and bool(self.body.model_json_schema().keys() & {"oneOf", "required"})

    @property
    def reads_body(self) -> bool:
        """Whether the body is waited for: a file, JSON, or the form of a DELETE, which may hold a credential."""
        return self.takes_bytes or self.body is not None or self.method == "DELETE"

    @cached_property
    def gives_bytes(self) -> bool:
        """Whether it answers with a file, or a part of one."""
        return FILE_BYTES in self.answers

    @cached_property
    def is_tagged(self) -> bool:
        """Whether its answers carry an ETag."""
        return self.method == "GET" and self.path.startswith("/api/")


OPERATION: Final = web.RequestKey("operation", Operation)
"""The operation that a request is for."""


class _Extras(TypedDict, total=False):
    """The further properties of an operation, which most do without."""

    query: type[Query]
    reading_scopes: frozenset[str]
    takes_bytes: bool
    form_file: str
    upload_media: Media
    repeats_refusals: bool
    body: type[Contract]
    takes_key: bool
    path_rules: Mapping[str, str]
    is_hidden: bool
    is_index: bool
    is_frequent: bool
    refuses_unknown: bool


class RouteAbout(_Extras, total=False):
    """The properties that a route gives its operation."""

    answers: Required[Answer | Sequence[Answer]]
    refusals: Sequence[AnyRefusal]
    carriers: frozenset[Carrier]


class Routes:
    """The operations of one module, in the order of their definition."""

    def __init__(self, tag: str, *, carriers: frozenset[Carrier]) -> None:
        """Begin without any; *carriers* hold for each that says nothing else."""
        self.operations: list[Operation] = []
        self._tag = tag
        self._carriers = carriers

    def get(self, path: str, **about: Unpack[RouteAbout]) -> Callable[[Handler], Handler]:
        """Serve GET, and HEAD with it."""
        return self.add("GET", path, **about)

    def put(self, path: str, **about: Unpack[RouteAbout]) -> Callable[[Handler], Handler]:
        """Serve PUT."""
        return self.add("PUT", path, **about)

    def post(self, path: str, **about: Unpack[RouteAbout]) -> Callable[[Handler], Handler]:
        """Serve POST."""
        return self.add("POST", path, **about)

    def patch(self, path: str, **about: Unpack[RouteAbout]) -> Callable[[Handler], Handler]:
        """Serve PATCH."""
        return self.add("PATCH", path, **about)

    def delete(self, path: str, **about: Unpack[RouteAbout]) -> Callable[[Handler], Handler]:
        """Serve DELETE."""
        return self.add("DELETE", path, **about)

    def add_to(self, app: web.Application) -> None:
        """Serve all of them in *app*."""
        for operation in self.operations:
            _add(app, operation, operation.path)

    def add_frequent_to(self, app: web.Application) -> None:
        """Serve those first in *app* that are frequent: the router would try dozens of others before them.

        Package managers have names where others have ids, but none of these is a number.
        """
        for operation in self.operations:
            if operation.is_frequent:
                _add(app, operation, operation.numbered_path)

    def add(
        self,
        method: str,
        path: str,
        *,
        answers: Answer | Sequence[Answer],
        refusals: Sequence[AnyRefusal] = (),
        carriers: frozenset[Carrier] | None = None,
        **extras: Unpack[_Extras],
    ) -> Callable[[Handler], Handler]:
        """Serve a method."""

        def add(handler: Handler) -> Handler:
            self.operations.append(
                Operation(
                    method=method,
                    path=path,
                    tag=self._tag,
                    handler=handler,
                    answers=(answers,) if isinstance(answers, Answer) else tuple(answers),
                    refusals=tuple(refusals),
                    carriers=self._carriers if carriers is None else carriers,
                    **extras,
                )
            )
            return handler

        return add


def _add(app: web.Application, operation: Operation, path: str) -> None:
    expect = wait_to_be_read if operation.takes_bytes else let_body_come
    for method in ("GET", "HEAD") if operation.method == "GET" else (operation.method,):
        app.router.add_route(method, path, _served(operation), expect_handler=expect)


def _served(operation: Operation) -> Handler:
    async def serve(request: web.Request) -> web.StreamResponse:
        request[OPERATION] = operation
        return await operation.handler(request)

    return serve

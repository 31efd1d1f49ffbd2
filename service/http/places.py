"""Routes that are served at several addresses: of a project, of a group, or of the whole instance."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar, Unpack

from aiohttp import hdrs, web

from service.http.carriers import Carrier
from service.http.operations import MOVED, READING, Answer, AnyRefusal, Handler, RouteAbout, Routes
from service.http.visits import GROUP_REFUSALS, PROJECT_REFUSALS
from service.refusals import MovedProjectWriteError

_Visit = TypeVar("_Visit")
PlaceHandler: TypeAlias = Callable[[web.Request, _Visit], Awaitable[web.StreamResponse]]
"""Takes the request, and how to visit the place that it is for."""

_PART_OF_NAME: Final = re.compile(r"((?:_of|_in)?)_place(?=_|$)")
_TO_PLACE: Final = "a place"


@dataclass(frozen=True, slots=True)
class RoutePlace(Generic[_Visit]):
    """An address below which routes are served, and what holds for all routes there."""

    name: str
    """For the names of operations; empty where they go without."""
    words: str
    """The place in the words of a summary."""
    prefix: str
    """The beginning of the path."""
    visit: _Visit
    """Given to the handlers: how to visit what the path names."""
    refusals: tuple[AnyRefusal, ...] = ()
    write_refusals: tuple[AnyRefusal, ...] = ()
    """Further refusals of methods that change something."""
    read_answers: tuple[Answer, ...] = ()
    """Further answers of methods that change nothing."""
    carriers: frozenset[Carrier] | None = None
    """Where a credential may be; None if it is where the routes say."""


def of_project(
    prefix: str,
    visit: _Visit,
    *,
    refusals: Sequence[AnyRefusal] = (),
    read_answers: Sequence[Answer] = (),
    words: str = "a project",
    carriers: frozenset[Carrier] | None = None,
) -> RoutePlace[_Visit]:
    """Return the place of a project, which may have moved."""
    return RoutePlace(
        "project",
        words,
        prefix,
        visit,
        (*PROJECT_REFUSALS, *refusals),
        (MovedProjectWriteError,),
        (*read_answers, MOVED),
        carriers,
    )


def of_group(
    prefix: str,
    visit: _Visit,
    *,
    refusals: Sequence[AnyRefusal] = (),
    read_answers: Sequence[Answer] = (),
    words: str = "a group",
    carriers: frozenset[Carrier] | None = None,
) -> RoutePlace[_Visit]:
    """Return the place of a group."""
    refused = (*GROUP_REFUSALS, *refusals)
    return RoutePlace("group", words, prefix, visit, refused, read_answers=tuple(read_answers), carriers=carriers)


class PlaceRoutes(Generic[_Visit]):
    """Routes whose handler serves several places.

    The name of a handler has `place` in it, and its docstring `a place`. Each operation has the name and the words of
    its own place there.
    """

    def __init__(self, routes: Routes, *places: RoutePlace[_Visit]) -> None:
        """Add to these routes."""
        self._routes = routes
        self._places = places

    def get(self, path: str, **about: Unpack[RouteAbout]) -> Callable[[PlaceHandler[_Visit]], PlaceHandler[_Visit]]:
        """Serve GET on a path below each place, and HEAD with it."""
        return self._add(hdrs.METH_GET, path, about)

    def put(self, path: str, **about: Unpack[RouteAbout]) -> Callable[[PlaceHandler[_Visit]], PlaceHandler[_Visit]]:
        """Serve PUT on a path below each place."""
        return self._add(hdrs.METH_PUT, path, about)

    def post(self, path: str, **about: Unpack[RouteAbout]) -> Callable[[PlaceHandler[_Visit]], PlaceHandler[_Visit]]:
        """Serve POST on a path below each place."""
        return self._add(hdrs.METH_POST, path, about)

    def delete(self, path: str, **about: Unpack[RouteAbout]) -> Callable[[PlaceHandler[_Visit]], PlaceHandler[_Visit]]:
        """Serve DELETE on a path below each place."""
        return self._add(hdrs.METH_DELETE, path, about)

    def _add(self, method: str, path: str, about: RouteAbout) -> Callable[[PlaceHandler[_Visit]], PlaceHandler[_Visit]]:
        def add(handler: PlaceHandler[_Visit]) -> PlaceHandler[_Visit]:
            for place in self._places:
                here = _about_place(place, about, reads=method in READING)
                self._routes.add(method, place.prefix + path, **here)(_handler_at(place, handler))
            return handler

        return add


def _about_place(place: RoutePlace[_Visit], about: RouteAbout, *, reads: bool) -> RouteAbout:
    given = about["answers"]
    answers = (given,) if isinstance(given, Answer) else tuple(given)
    refusals = (*place.refusals, *(() if reads else place.write_refusals), *about.get("refusals", ()))
    here: RouteAbout = {**about, "answers": (*answers, *(place.read_answers if reads else ())), "refusals": refusals}
    if place.carriers is not None:
        here["carriers"] = place.carriers
    return here


def _handler_at(place: RoutePlace[_Visit], handler: PlaceHandler[_Visit]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request, place.visit)

    # The document of the API takes both from the handler.
    handle.__name__ = _PART_OF_NAME.sub(rf"\1_{place.name}" if place.name else "", handler.__name__)
    handle.__doc__ = (handler.__doc__ or "").replace(_TO_PLACE, place.words)
    return handle

"""Routes of several places: each operation has the name, the words and the answers of its own place."""

from typing import Final

from aiohttp import web

from service.http.carriers import OF_PROJECT, PERSONAL
from service.http.operations import MOVED, Answer, Routes
from service.http.places import PlaceRoutes, RoutePlace, of_group, of_project
from service.refusals import MovedProjectWriteError, NotFoundError, ProjectNotFoundError

_DONE: Final = Answer(200)


async def _answer(_request: web.Request, visit: str) -> web.Response:
    return web.Response(text=visit)


def _routes() -> Routes:
    routes = Routes("Things", carriers=PERSONAL)
    places = PlaceRoutes(
        routes,
        of_project("/projects/{id}", "the project's visit", carriers=OF_PROJECT),
        of_group("/groups/{id}", "the group's visit"),
        RoutePlace("", "the instance", "", "the caller's visit"),
    )

    @places.get("/things", answers=_DONE, refusals=(NotFoundError,))
    @places.put("/things", answers=_DONE)
    async def change_things_in_place(request: web.Request, visit: str) -> web.Response:
        """Do something to the things of a place, and show a place's things."""
        return await _answer(request, visit)

    return routes


def test_each_place_has_its_own_names_words_and_paths() -> None:
    reads = [operation for operation in _routes().operations if operation.method == "GET"]

    assert [(each.path, each.handler.__name__) for each in reads] == [
        ("/projects/{id}/things", "change_things_in_project"),
        ("/groups/{id}/things", "change_things_in_group"),
        ("/things", "change_things"),
    ]
    assert reads[1].handler.__doc__ == "Do something to the things of a group, and show a group's things."


def test_each_place_adds_its_refusals_answers_and_carriers() -> None:
    found = {(each.method, each.path): each for each in _routes().operations}
    read, write = found["GET", "/projects/{id}/things"], found["PUT", "/projects/{id}/things"]
    elsewhere = found["GET", "/things"]

    assert read.answers == (_DONE, MOVED)
    assert {ProjectNotFoundError, NotFoundError} <= set(read.refusals)
    assert MovedProjectWriteError not in read.refusals
    assert write.answers == (_DONE,)
    assert MovedProjectWriteError in write.refusals
    assert (read.carriers, elsewhere.carriers) == (OF_PROJECT, PERSONAL)
    assert (elsewhere.answers, elsewhere.refusals) == ((_DONE,), (NotFoundError,))

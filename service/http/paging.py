"""GitLab's ways of paging: by number, with six headers and the Link; and by cursor, with the Link alone."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import quote_plus

from aiohttp import web
from pydantic import BaseModel

from schemas.base import Query
from schemas.http.parameters import Paging
from service.http.addresses import external_url
from service.http.replies import JsonText, reply


class Extent(Protocol):
    """How much of a list a page has."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is on the page."""
        ...

    @property
    def total(self) -> int | None:
        """The matches there are; None: more than are counted."""
        ...

    @property
    def has_more(self) -> bool:
        """Whether more follow."""
        ...


def reply_page(
    request: web.Request,
    resources: Sequence[BaseModel] | JsonText,
    found: Extent,
    query: Paging,
    *,
    next_cursor: str | None = None,
) -> web.Response:
    """Answer with one page of a list; totals are left out where they were not counted.

    With a *next_cursor*, the link to the next page leads there by it instead of by its number.
    """
    before = query.page - 1 if query.page > 1 and not found.is_empty else None
    behind = query.page + 1 if found.has_more else None
    pages = None if found.total is None else max(1, -(-found.total // query.per_page))
    numbers = {"prev": before, "next": behind, "first": 1, "last": pages}
    targets: dict[str, Mapping[str, object]] = {name: {"page": number} for name, number in numbers.items() if number}
    if next_cursor is not None:
        targets["next"] = {"cursor": next_cursor}
    headers = {
        "X-Page": str(query.page),
        "X-Per-Page": str(query.per_page),
        "X-Next-Page": str(behind or ""),
        "X-Prev-Page": str(before or ""),
        "Link": _link(request, query, targets),
    }
    totals = {} if pages is None else {"X-Total": str(found.total), "X-Total-Pages": str(pages)}
    return reply(resources, headers=headers | totals)


def reply_part(
    request: web.Request,
    resources: Sequence[BaseModel] | JsonText,
    query: Query,
    targets: Mapping[str, Mapping[str, object]],
) -> web.Response:
    """Answer with a part of a list; *targets* say, by their relation to it, with which parameters others are had."""
    return reply(resources, headers={"Link": _link(request, query, targets)} if targets else {})


def by_cursor(cursors: Mapping[str, str | None]) -> dict[str, Mapping[str, object]]:
    """Return the targets that have a cursor."""
    return {relation: {"cursor": cursor} for relation, cursor in cursors.items() if cursor is not None}


def _link(request: web.Request, query: Query, targets: Mapping[str, Mapping[str, object]]) -> str:
    effective = {
        name: _written(value) for name, value in query.model_dump(mode="json").items() if value not in (None, "")
    }
    if "include_versionless" not in query.model_fields_set:
        # The only flag that GitLab gives no default.
        effective.pop("include_versionless", None)
    effective |= {name: _written(request.match_info[name]) for name in request.match_info}
    base = external_url(request) + request.rel_url.raw_path
    return ", ".join(
        f'<{base}?{_parameters(effective, target)}>; rel="{relation}"' for relation, target in targets.items()
    )


def _parameters(effective: Mapping[str, str], target: Mapping[str, object]) -> str:
    # A page is named either by its number or by a cursor.
    dropped = {"page", "cursor", "pagination"} if "page" in target else {"page", "cursor"}
    kept = {name: value for name, value in effective.items() if name not in dropped}
    kept |= {name: _written(value) for name, value in target.items()}
    return "&".join(f"{name}={kept[name]}" for name in sorted(kept))


def _written(value: object) -> str:
    return quote_plus(str(value).lower() if isinstance(value, bool) else str(value))

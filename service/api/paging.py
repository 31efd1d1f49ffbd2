"""GitLab's offset paging: six headers and the Link."""

from collections.abc import Sequence
from urllib.parse import urlencode

from aiohttp import web
from pydantic import BaseModel

from schemas.queries import Paging
from service.api.links import external_url
from service.api.replies import reply
from service.infra.package_rows import Slice


def reply_page(request: web.Request, resources: Sequence[BaseModel], found: Slice, query: Paging) -> web.Response:
    """Answer with one page of a list; totals are left out where they were not counted."""
    is_within = bool(found.rows)
    neighbours = {
        "prev": query.page - 1 if is_within and query.page > 1 else None,
        "next": query.page + 1 if found.has_more else None,
    }
    pages = None if found.total is None else max(1, -(-found.total // query.per_page))
    headers = {
        "X-Page": str(query.page),
        "X-Per-Page": str(query.per_page),
        "X-Next-Page": str(neighbours["next"] or ""),
        "X-Prev-Page": str(neighbours["prev"] or ""),
        "Link": _link(request, query, {**neighbours, "first": 1, "last": pages}),
    }
    if pages is not None:
        headers |= {"X-Total": str(found.total), "X-Total-Pages": str(pages)}
    return reply(list(resources), headers=headers)


def _link(request: web.Request, query: Paging, targets: dict[str, int | None]) -> str:
    effective = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in query.model_dump(mode="json").items()
        if value is not None and not (name == "include_versionless" and value is False)
    }
    effective |= {name: request.match_info[name] for name in request.match_info}
    base = external_url(request) + request.rel_url.raw_path
    return ", ".join(
        f'<{base}?{urlencode(sorted({**effective, "page": str(page)}.items()))}>; rel="{relation}"'
        for relation, page in targets.items()
        if page is not None
    )

"""Templates: one environment for each language, and the answer that a rendered page becomes."""

import gettext
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from types import MappingProxyType
from typing import Final

from aiohttp import web
from babel import Locale
from jinja2 import Environment, PackageLoader, StrictUndefined

from service.access.callers import ANONYMOUS, WRITING_SCOPES, Caller
from service.http.addresses import external_url, path_prefix
from service.web.frame.assets import asset_path
from service.web.frame.formats import Formats
from service.web.frame.places import place_links

VIEWER: Final = web.RequestKey("viewer", Caller)
"""The caller that a page is for, once it is known."""
FORM_TOKEN: Final = web.RequestKey("form_token", str)
"""The token that the forms of the page carry; missing where the page can have none."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = MappingProxyType(
    {
        "Content-Security-Policy": _POLICY,
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Vary": "Accept, Cookie",
    }
)
"""Headers of every page. Its parts come from the same origin, so an injected script runs nowhere."""


def make_environment(translations: gettext.NullTranslations, locale: Locale) -> Environment:
    """Return an environment in which templates speak that language."""
    environment = Environment(
        loader=PackageLoader("service.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    # The extension adds these methods to the environment when it is made.
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        translations.gettext, translations.ngettext, newstyle=True
    )
    environment.filters |= Formats(locale, translations.ngettext).filters
    environment.globals |= {"asset": asset_path, "locale": locale, "version": version("packyard")}
    return environment


@cache
def english() -> Environment:
    """Return the environment of the texts as they are written."""
    return make_environment(gettext.NullTranslations(), Locale("en"))


def render(request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
    """Answer with a page under the strict policy; a template that misses a value fails."""
    text = rendered(request, template, **values)
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=HEADERS)


def rendered(request: web.Request, template: str, **values: object) -> str:
    """Return the text of a page, or of a part of one."""
    return english().get_template(template).render({**_frame(request), **values})


def see_other(request: web.Request, path: str) -> web.Response:
    """Lead the browser to another page of ours, after a form was accepted or where the address has changed."""
    return web.Response(status=303, headers={"Location": path_prefix(request) + path, "Vary": "Accept, Cookie"})


def moved(request: web.Request, path: str) -> web.Response:
    """Lead to the address that a page has now."""
    return web.Response(status=301, headers={"Location": path_prefix(request) + path, "Vary": "Accept, Cookie"})


def _frame(request: web.Request) -> Mapping[str, object]:
    viewer = request.get(VIEWER, ANONYMOUS)
    return {
        "root": path_prefix(request),
        "viewer": viewer,
        "may_write": bool(viewer.scopes & WRITING_SCOPES),
        "form_token": request.get(FORM_TOKEN, ""),
        "external": external_url(request),
        "here": request.rel_url.raw_path_qs,
        "place_links": place_links(request),
    }

"""A form in the place of a JSON body: some of GitLab's clients send the one, some the other."""

from collections.abc import Iterable
from functools import cache
from typing import Final

from multipart import parse_options_header

from schemas.base import Contract, Json
from schemas.http.parameters import FLAGS
from service.http.body.forms import parse_form

_FORMS: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


def form_as_json(written: bytes, content_type: str, kind: type[Contract]) -> Json | None:
    """Return the JSON object with the fields of a form; None if the body is no form, or one that cannot be read.

    `a[]` is an element of a list, and `a[][b]` a member of an object in a list. A flag of *kind* may have each form
    that a flag among parameters may have.
    """
    media, options = parse_options_header(content_type)
    # By default, curl sends JSON with the type of a form.
    if media not in _FORMS or written.lstrip().startswith((b"{", b"[")):
        return None
    found = _nested(parse_form(written, media, options).items())
    flags = _flags_of(kind)
    return {
        name: FLAGS.get(value, value) if name in flags and isinstance(value, str) else value
        for name, value in found.items()
    } or None


def _nested(fields: Iterable[tuple[str, str]]) -> Json:
    found: Json = {}
    for name, value in fields:
        key, brackets, member = name.partition("[]")
        if not brackets:
            found[key] = value
            continue
        elements = found.get(key)
        if not isinstance(elements, list):
            elements = found[key] = []
        if not member:
            elements.append(value)
            continue
        member = member.removeprefix("[").removesuffix("]")
        # A member that the last object has begins another one.
        if not elements or not isinstance(elements[-1], dict) or member in elements[-1]:
            elements.append({})
        elements[-1][member] = value
    return found


@cache
def _flags_of(kind: type[Contract]) -> frozenset[str]:
    properties = kind.model_json_schema()["properties"]
    return frozenset(
        name
        for name, schema in properties.items()
        if any(form.get("type") == "boolean" for form in (schema, *schema.get("anyOf", ())))
    )

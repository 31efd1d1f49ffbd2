"""Changes of the AsyncAPI document that would break subscribers of an earlier one.

A type may come, and so may a field or a word of an enumeration. Everything that a subscriber could read before has to
be there still, with the same type. Else the type gets a higher version: `….v2` beside or instead of `….v1`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.support.paths import ROOT

RELEASED: Final = sorted((ROOT / "schemas" / "messages" / "released").glob("*.json"))
"""The document of each released version, called by its number."""

_VERSION: Final = re.compile(r"(?P<name>.+)\.v(?P<number>\d+)")
_RULES: Final = ("type", "const", "format", "pattern", "minimum", "maximum", "minLength", "maxLength", "maxItems")

Document = Mapping[str, Any]


def breaches(before: Document, now: Document) -> list[str]:
    """Return what a subscriber that goes by the document *before* could not read any more, a line each."""
    return [*_in_messages(before, now), *_in_channels(before, now)]


def _in_messages(before: Document, now: Document) -> Iterator[str]:
    present = {message["name"]: message for message in now["components"]["messages"].values()}
    for message in before["components"]["messages"].values():
        name = message["name"]
        if name not in present:
            if not any(_is_later(other, name) for other in present):
                yield f"{name}: is gone"
            continue
        for part in ("payload", "headers"):
            old, new = Shape(before).of(message[part]), Shape(now).of(present[name][part])
            yield from (f"{name} {part}{found}" for found in _in_shapes(old, new))


def _in_channels(before: Document, now: Document) -> Iterator[str]:
    for name, channel in before["channels"].items():
        found = now["channels"].get(name)
        if found is None:
            yield f"channel {name}: is gone"
            continue
        for key in ("address", "bindings"):
            if found.get(key) != channel.get(key):
                yield f"channel {name}: has another {key}"


def _is_later(other: str, name: str) -> bool:
    left, right = _VERSION.fullmatch(other), _VERSION.fullmatch(name)
    return bool(left and right and left["name"] == right["name"] and int(left["number"]) > int(right["number"]))


class Shape:
    """Schemas of one document, with their references followed and their parts put together."""

    def __init__(self, document: Document) -> None:
        self._schemas = document["components"]["schemas"]

    def of(self, schema: Document) -> dict[str, Any]:
        """Return the schema as one: all that `$ref` and `allOf` add to it is in it."""
        if "$ref" in schema:
            return self.of(self._schemas[schema["$ref"].rpartition("/")[2]])
        whole: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema.get("allOf", ()):
            found = self.of(part)
            whole["properties"] = _merged(whole.get("properties", {}), found.get("properties", {}))
            whole["required"] = [*whole.get("required", ()), *found.get("required", ())]
        if "properties" in whole:
            whole["properties"] = {name: self.of(each) for name, each in whole["properties"].items()}
        if "items" in whole:
            whole["items"] = self.of(whole["items"])
        if "anyOf" in whole:
            whole["anyOf"] = [self.of(each) for each in whole["anyOf"]]
        return whole


def _merged(left: Document, right: Document) -> dict[str, Any]:
    return {**left, **{name: {**left.get(name, {}), **each} for name, each in right.items()}}


def _in_shapes(old: Document, new: Document, at: str = "") -> Iterator[str]:
    old = _without_null(old) if "anyOf" not in new else old
    yield from (f"{at}: has another {rule}" for rule in _RULES if old.get(rule) != new.get(rule))
    if gone := [word for word in old.get("enum", ()) if word not in new.get("enum", ())]:
        yield f"{at}: has lost {gone}"
    if "enum" in new and "enum" not in old:
        yield f"{at}: has become an enumeration"
    yield from _in_choices(old.get("anyOf", ()), new.get("anyOf", ()), at)
    if "items" in old:
        yield from _in_shapes(old["items"], new.get("items", {}), f"{at}[]")
    if absent := sorted(set(old.get("required", ())) - set(new.get("required", ()))):
        yield f"{at}: may be without {absent}"
    for name, schema in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield f"{at}.{name}: is gone"
        else:
            yield from _in_shapes(schema, new["properties"][name], f"{at}.{name}")


def _without_null(schema: Document) -> Document:
    """Return the schema without null, whose absence breaks no reader."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) != 1:
        return schema
    return {**{key: value for key, value in schema.items() if key != "anyOf"}, **choices[0]}


def _in_choices(old: Any, new: Any, at: str) -> Iterator[str]:
    if len(old) != len(new):
        yield f"{at}: has other types"
        return
    for left, right in zip(old, new, strict=True):
        yield from _in_shapes(left, right, at)

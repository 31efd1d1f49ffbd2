"""The YAML of a Chart.yaml that somebody sent, read within limits."""

import json
from collections.abc import Mapping
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

from service.refusals import ValidationFailedError

_MOST_EVENTS: Final = 3_000
"""Keys, values and beginnings and ends of collections; reading 10,000 takes a second of the interpreter."""
_DEEPEST: Final = 50


def parsed(text: bytes) -> Mapping[str, object]:
    """Return the mapping.

    Raises:
        ValidationFailedError: it is none, or breaks a rule.
    """
    try:
        _require_plain(text.decode())
        found = json.loads(json.dumps(YAML(typ="safe", pure=True).load(text.decode()), default=str, allow_nan=False))
    except (YAMLError, ValueError, TypeError, RecursionError):
        raise ValidationFailedError("Chart.yaml is no YAML that can be read") from None
    if not isinstance(found, dict):
        raise ValidationFailedError("Chart.yaml should be a mapping")
    if "\\u0000" in json.dumps(found):
        raise ValidationFailedError("Chart.yaml should have no NUL character")
    return found


def _require_plain(text: str) -> None:
    """Refuse YAML that takes long to read, or unfolds to any size; the events come one by one."""
    depth = 0
    for number, event in enumerate(YAML(typ="safe", pure=True).parse(text)):
        if number >= _MOST_EVENTS:
            raise ValidationFailedError(f"Chart.yaml has too many parts (maximum is {_MOST_EVENTS})")
        if isinstance(event, AliasEvent):
            raise ValidationFailedError("Chart.yaml should have no alias")
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValidationFailedError(f"Chart.yaml is nested too deeply (maximum is {_DEEPEST})")

"""Values of settings as `packyard settings` prints them: what is printed can be given again, but for secrets."""

import re
from datetime import timedelta
from typing import Final

from pydantic import ByteSize
from pydantic_core import PydanticUndefined

_DURATIONS: Final = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_SIZES: Final = {"TiB": 1024**4, "GiB": 1024**3, "MiB": 1024**2, "KiB": 1024}

_PASSWORD: Final = re.compile(r"(?s)://([^:/@]*):.*")
_PASSWORD_PARAMETER: Final = re.compile(r"(?i)([?&][^=&?]*password=)[^&]*")


def printed(value: object) -> str:
    """Return *value* as text, with passwords in addresses masked."""
    match value:
        case None | ():
            text = "(not set)"
        case bool():
            text = str(value).lower()
        case ByteSize():
            text = _size(value)
        case timedelta():
            text = _duration(value)
        case tuple():
            text = ",".join(map(str, value))
        case _:
            text = "(not set)" if value is PydanticUndefined else str(value)
    before, at, host = text.rpartition("@")
    text = _PASSWORD.sub(r"://\1:***", before) + at + host
    return _PASSWORD_PARAMETER.sub(r"\1***", text)


def _duration(value: timedelta) -> str:
    for unit, length in _DURATIONS.items():
        if value and not value % length:
            return f"{value // length}{unit}"
    return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"


def _size(value: int) -> str:
    unit = next((unit for unit, size in _SIZES.items() if value and not value % size), "")
    return f"{value // _SIZES.get(unit, 1)}{unit}"

"""Events as a person at a terminal reads them: one short line each."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pydantic_core import from_json
from rich.cells import cell_len
from rich.filesize import decimal

from schemas.base import Json
from schemas.messages.event import TYPE_PREFIX
from workers.cli.tables import counted, written


def event_line(body: bytes, *, now: datetime, width: int) -> str:
    """Write an event in a line: when, what, to which package; with the deletion's id where that fits the *width*.

    *now*, with the zone of the terminal, decides whether the day is part of the line.
    """
    try:
        event = from_json(body)
        line, deletion = _line(event, now), event["data"].get("deletion_id")
    except (ValueError, KeyError, TypeError, AttributeError):
        return written(body.decode(errors="replace"))
    longer = f"{line}; deletion {deletion}"
    return written(longer if deletion and cell_len(longer) <= width else line)


def _line(event: Json, now: datetime) -> str:
    data: Json = event["data"]
    topic = event["type"].removeprefix(f"{TYPE_PREFIX}.").rpartition(".")[0]
    if "rule_name" in data:
        size = f"{counted(data['packages'], 'package')}, {decimal(data['bytes'])}"
        return f"{_clock(event['time'], now)} {topic} {data['rule_name']} (project {data['project_id']}): {size}"
    if "threshold" in data:
        used = f"{data['threshold']} % of {decimal(data['quota_bytes'])}"
        return f"{_clock(event['time'], now)} {topic} {data['path']}: {used}"
    if "package_name" not in data:
        return f"{_clock(event['time'], now)} {topic}: {'clean' if data['clean'] else 'not clean'}"
    name = " ".join(filter(None, (data["package_name"], data["package_version"])))
    file = f" / {found}" if (found := _file_name(data)) else ""
    parts = [f"{counted(data['files'], 'file')}, {decimal(data['bytes'])}"]
    parts += [f"{word} {data[key]}" for key, word in _MORE.items() if data.get(key) is not None]
    place = f"{data['package_type']}, project {data['project_id']}"
    return f"{_clock(event['time'], now)} {topic} {name}{file} ({place}): {', '.join(parts)}"


def _file_name(data: Json) -> str | None:
    """Return the name of the one file that the event is about."""
    published: Sequence[Json] = data.get("package_files") or ()
    name: str | None = published[0]["file_name"] if len(published) == 1 else data.get("file_name")
    return name


_MORE: Final = {"restored_as": "as", "destroy_after": "until", "error": "error:"}
"""Further fields of some events, and the word before each."""


def _clock(time: str, now: datetime) -> str:
    moment = datetime.fromisoformat(time).astimezone(now.tzinfo)
    return f"{moment:%H:%M:%S}" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M:%S}"

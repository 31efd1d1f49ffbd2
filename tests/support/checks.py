"""Checking the storage of a test's yard, and doing it harm."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Final

from schemas.checks import Figures
from service.context import Context
from service.infra.storage.interface import new_key
from service.storage_check.check import CheckPlan, StorageCheck
from service.storage_check.findings import QUARANTINE, Finding
from tests.support.buckets import stream
from tests.support.catalogue import query

AT_ONCE: Final = timedelta(0)
DAY: Final = timedelta(days=1)


async def check(
    context: Context, *, orphan_age: timedelta = AT_ONCE, retention: timedelta = DAY, **plan: Any
) -> tuple[list[Finding], Figures]:
    """Check, and return the findings and the figures; an object counts as orphaned however young it is."""
    wanted = CheckPlan(orphan_age=orphan_age, quarantine_retention=retention, **plan)
    run = StorageCheck(context.database, context.store, wanted)
    async with run.alone(), aclosing(run.findings()) as pieces:
        found = [finding async for piece in pieces for finding in piece]
    return found, run.figures


async def told(context: Context, **plan: Any) -> list[tuple[str, str | None, str]]:
    """Check, and return of each finding what it is, of which key, and what was done about it."""
    findings, _ = await check(context, **plan)
    return [(finding.kind.value, finding.key, finding.outcome.value) for finding in findings]


async def put(context: Context, content: bytes = b"bytes", *, key: str | None = None) -> str:
    """Put an object that no file refers to; return its key."""
    return (await context.store.put(key or new_key(100), stream(content))).key


async def key_of(context: Context, package_id: int) -> str:
    """Return the key of the only file of a package."""
    (row,) = await query(context, "SELECT storage_key FROM package_file WHERE package_id = $1", package_id)
    key: str = row["storage_key"]
    return key


async def replace_object(context: Context, key: str, content: bytes) -> None:
    """Put something else in the place of an object."""
    assert not await context.store.delete([key])
    await context.store.put(key, stream(content))


async def objects(context: Context) -> Mapping[str, int]:
    """Return the sizes of all objects, by key."""
    return {found.key: found.size for found in [found async for found in _all(context)]}


async def quarantined(context: Context) -> set[str]:
    """Return the keys that objects in quarantine had before."""
    return {key.removeprefix(QUARANTINE) for key in await objects(context) if key.startswith(QUARANTINE)}


async def _all(context: Context) -> AsyncIterator[Any]:
    async for piece in context.store.list():
        for found in piece:
            yield found

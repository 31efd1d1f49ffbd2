"""Pushing a chart to a channel: the bytes first, then the rows."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from schemas.names import PackageType
from service.catalogue.rows import uploads as upload_rows
from service.catalogue.uploads import UploadBody
from service.http.body.upload_forms import UploadForm
from service.infra.postgres.repeating import repeated
from service.infra.storage.interface import StoredObject
from service.registries.helm.charts import Chart, read_chart
from service.registries.helm.provenance import PROVENANCE, PROVENANCE_SUFFIX, read_provenance
from service.registries.publishers import Publisher, body_of_form


@dataclass(frozen=True, slots=True)
class _Incoming:
    """The archive on its way to the store, kept in memory too: a chart is small, and its metadata are inside."""

    form: UploadForm
    archive: bytearray = field(default_factory=bytearray)

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self.form.bytes_of_file():
            self.archive.extend(chunk)
            yield chunk


async def push(publisher: Publisher, form: UploadForm, *, channel: str, max_size: int) -> None:
    """Add the chart of the form to a channel, with its provenance file if that came along; *max_size* is bytes.

    Raises:
        BadParametersError: the form breaks a rule.
        BadRequestError: the chart is too large.
        ValidationFailedError: it is no chart, its metadata break a rule, or the provenance file is that of another.
        ConflictError: somebody else pushed the same chart in this very moment.
    """
    incoming = _Incoming(form)
    body = await body_of_form(form, incoming.chunks(), max_size=max_size)
    async with AsyncExitStack() as stack:
        stored = await stack.enter_async_context(publisher.stored(body))
        chart = await asyncio.to_thread(read_chart, bytes(incoming.archive))
        provenance = read_provenance(form.fields.get(PROVENANCE), chart, sha256=stored.sha256)
        signed = await stack.enter_async_context(_stored_provenance(publisher, provenance))
        await _write_rows(publisher, chart, stored, channel=channel, signed=signed)


@asynccontextmanager
async def _stored_provenance(publisher: Publisher, provenance: bytes | None) -> AsyncGenerator[StoredObject | None]:
    """Store the provenance file for the rows that the block writes; None where the chart came without one."""
    if provenance is None:
        yield None
        return
    async with publisher.stored(UploadBody(_once(provenance))) as stored:
        yield stored


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


@repeated
async def _write_rows(
    publisher: Publisher, chart: Chart, stored: StoredObject, *, channel: str, signed: StoredObject | None
) -> None:
    details = json.dumps({"channel": channel, "metadata": chart.metadata})
    of_chart = json.dumps({"channel": channel, "chart_sha256": stored.sha256.hex()})
    async with publisher.database.transaction() as connection:
        package = await upload_rows.find_or_create_package(
            connection,
            project_id=publisher.project.id,
            package_type=PackageType.HELM,
            name=chart.name,
            version=chart.version,
            creator_id=publisher.caller.user_id,
        )
        await publisher.add_file(connection, stored, package, chart.file_name, details=details)
        if signed is not None:
            name = chart.file_name + PROVENANCE_SUFFIX
            known = replace(package, is_new=False)
            await publisher.add_file(connection, signed, known, name, details=of_chart)

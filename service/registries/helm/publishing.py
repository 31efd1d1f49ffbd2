"""Pushing a chart to a channel: the bytes first, then the rows."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from schemas.names import PackageType
from service.access.callers import Caller
from service.access.rows import Project
from service.catalogue.rows import uploads as upload_rows
from service.catalogue.uploads import UploadBody, add_file, stored_body
from service.http.body.upload_forms import LARGEST_FIELDS, UploadForm
from service.infra.postgres.database import Database
from service.infra.postgres.repeating import repeated
from service.infra.storage.interface import ObjectStore, StoredObject
from service.registries.helm.charts import Chart, read_chart


@dataclass(frozen=True, slots=True)
class _Incoming:
    """The archive on its way to the store, kept in memory too: a chart is small, and its metadata are inside."""

    form: UploadForm
    archive: bytearray = field(default_factory=bytearray)

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self.form.bytes_of_file():
            self.archive.extend(chunk)
            yield chunk


async def push(
    database: Database,
    store: ObjectStore,
    *,
    caller: Caller,
    project: Project,
    channel: str,
    form: UploadForm,
    announced: int | None,
    max_size: int,
) -> None:
    """Add the chart of the form to a channel.

    *announced* is the size of the whole request, in bytes; *max_size* that of the largest chart.

    Raises:
        BadParametersError: the form breaks a rule.
        BadRequestError: the chart is too large.
        ValidationFailedError: it is no chart, or its metadata break a rule.
        ConflictError: somebody else pushed the same chart in this very moment.
    """
    incoming = _Incoming(form)
    # The request is larger than the file, by the other fields.
    size = max(0, (announced or 0) - LARGEST_FIELDS)
    body = UploadBody(incoming.chunks(), announced=size, max_size=max_size)
    body.require_announced_size()
    await form.find_file()
    async with stored_body(database, store, project.id, body) as stored:
        chart = await asyncio.to_thread(read_chart, bytes(incoming.archive))
        await _write_rows(database, caller, project, chart, stored, channel=channel)


@repeated
async def _write_rows(
    database: Database, caller: Caller, project: Project, chart: Chart, stored: StoredObject, *, channel: str
) -> None:
    details = json.dumps({"channel": channel, "metadata": chart.metadata})
    async with database.transaction() as connection:
        package = await upload_rows.find_or_create_package(
            connection,
            project_id=project.id,
            package_type=PackageType.HELM,
            name=chart.name,
            version=chart.version,
            creator_id=caller.user_id,
        )
        await add_file(
            connection, caller, stored, project=project, package=package, file_name=chart.file_name, details=details
        )

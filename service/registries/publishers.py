"""Publishing in a project, for all package managers: who publishes, and the file of a form on its way to the store."""

from collections.abc import AsyncIterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Self

from aiohttp import web

from schemas.names import PackageType
from service.access.callers import Caller
from service.access.rows import Project
from service.catalogue import uploads
from service.catalogue.guard.admission import require_may_publish
from service.catalogue.rows.uploads import UploadedPackageRow
from service.catalogue.uploads import UploadBody
from service.http.body.upload_forms import UploadForm
from service.http.keys import CONTEXT
from service.http.visits import Visit, project_visit
from service.infra.postgres.database import Connection, Database
from service.infra.storage.interface import Check, ObjectStore, StoredObject


@dataclass(frozen=True, slots=True)
class Publisher:
    """A caller that publishes in a project."""

    database: Database
    store: ObjectStore
    caller: Caller
    project: Project

    @classmethod
    def of_visit(cls, request: web.Request, found: Visit) -> Self:
        """Return the caller of a visit."""
        context = request.app[CONTEXT]
        return cls(context.database, context.store, found.caller, found.project)

    def stored(self, body: UploadBody) -> AbstractAsyncContextManager[StoredObject]:
        """Store the body for the rows that the block writes; it goes again if the block fails."""
        return uploads.stored_body(self.database, self.store, self.project.id, body)

    async def add_file(
        self,
        connection: Connection,
        stored: StoredObject,
        package: UploadedPackageRow,
        file_name: str,
        *,
        details: str | None,
    ) -> None:
        """Add the object as a file to the package, which is locked; *details* is JSON."""
        await uploads.add_file(
            connection,
            self.caller,
            stored,
            project=self.project,
            package=package,
            file_name=file_name,
            details=details,
        )


async def publisher_of(request: web.Request, package_type: PackageType, *, name: str | None = None) -> Publisher:
    """Return the caller of a request, who may publish in its project; *name*: that of the package, if it is known.

    Raises:
        RefusedError: as for `project_visit`; or it is nobody, or the guard of uploads refuses the caller.
    """
    async with project_visit(request, credential_required=True) as (connection, found):
        await require_may_publish(connection, found.caller, found.project, package_type, name=name)
    return Publisher.of_visit(request, found)


async def body_of_form(
    form: UploadForm, chunks: AsyncIterable[bytes], *, max_size: int, also: Check | None = None
) -> UploadBody:
    """Read a form up to its file, whose bytes are the *chunks*; return the file as a body of at most *max_size* bytes.

    Raises:
        BadParametersError: it is no form, or has no file.
        BadRequestError: the file is too large, as the client says before it sends it.
    """
    body = UploadBody(chunks, announced=form.announced_size, max_size=max_size, also=also)
    body.require_announced_size()
    await form.find_file()
    return body

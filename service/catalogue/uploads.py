"""Publishing a file: the bytes first, then the rows; whatever fails leaves neither."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from schemas.names import PackageType
from schemas.statuses import PackageStatus
from service.access.callers import Caller
from service.access.rows import Project
from service.catalogue import announcing
from service.catalogue.guard.admission import admit_file
from service.catalogue.rows import uploads as upload_rows
from service.catalogue.rows.uploads import UploadedFileRow, UploadedPackageRow
from service.errors import DatabaseAwayError
from service.infra.postgres.database import Connection, Database, DatabaseUnavailableError, conflicts
from service.infra.postgres.repeating import repeated
from service.infra.storage.interface import Check, ObjectStore, StoredObject, new_key
from service.observing import metrics
from service.refusals import BadRequestError, ConflictError, PreconditionFailedError, RefusedError

_ASK_AGAIN_S: Final = 2.0
_TOO_LARGE: Final = "File is too large"
_OTHER_BYTES: Final = "Checksum does not match"
DUPLICATE: Final = "Duplicate package is not allowed"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class GenericFile:
    """Where a file of a generic package belongs."""

    package_name: str
    package_version: str
    file_name: str


@dataclass(frozen=True, slots=True)
class UploadBody:
    """The bytes of a file as they come in, and what their sender says of them."""

    chunks: AsyncIterable[bytes]
    announced: int | None = None
    """How many there are."""
    checksums: Mapping[str, bytes] = field(default_factory=dict)
    """Algorithm (md5, sha1, sha256) -> raw checksum."""
    max_size: int = 0
    """How many there may be; 0: no limit."""
    also: Check | None = None
    """Checks what a package manager says of the bytes, when all have come."""

    def require_announced_size(self) -> None:
        """Check how large the body is going to be.

        Raises:
            BadRequestError: it is too large.
        """
        if self.max_size and (self.announced or 0) > self.max_size:
            raise BadRequestError(_TOO_LARGE)

    async def limited(self) -> AsyncIterator[bytes]:
        """Give the bytes.

        Raises:
            BadRequestError: there are too many.
        """
        size = 0
        async for chunk in self.chunks:
            size += len(chunk)
            if self.max_size and size > self.max_size:
                raise BadRequestError(_TOO_LARGE)
            yield chunk

    def check(self, stored: StoredObject) -> None:
        """Compare what came with the checksums.

        Raises:
            RefusedError: it is something else.
        """
        for algorithm, expected in self.checksums.items():
            if getattr(stored, algorithm) != expected:
                raise BadRequestError(f"{_OTHER_BYTES} ({algorithm})")
        if self.also is not None:
            self.also(stored)


async def publish_generic(
    database: Database,
    store: ObjectStore,
    *,
    caller: Caller,
    project: Project,
    target: GenericFile,
    status: PackageStatus | None,
    body: UploadBody,
    is_new: bool = False,
) -> UploadedFileRow:
    """Store the body and add it as a new file to the package, which is made when it is missing; return the row.

    Raises:
        BadRequestError: the body is too large, or its bytes do not match their checksums. Also if there is such a file
            already, and a group around the project does not allow duplicates.
        PreconditionFailedError: there is such a file already, though *is_new* says that it should not be.
        ConflictError: somebody else published or restored the same name and version in this very moment.
    """
    body.require_announced_size()
    refusal = await _refuse_duplicate(database, project, target, is_new=is_new)
    async with stored_body(database, store, project.id, body) as stored:
        return await _write_rows(database, caller, project, target, stored, status=status, refusal=refusal)


async def _refuse_duplicate(
    database: Database, project: Project, target: GenericFile, *, is_new: bool
) -> RefusedError | None:
    """Return how a file of the same name is to be refused, None if it is not; raise it if there is one already."""
    # We ask twice: now, to spare the client the sending; and under the package's lock, where the answer is final.
    async with database.connection() as connection:
        is_unique = await upload_rows.must_be_unique(
            connection,
            package_type=PackageType.GENERIC,
            ancestry=project.ancestry,
            name=target.package_name,
            version=target.package_version,
        )
        if not (is_unique or is_new):
            return None
        refusal = BadRequestError(DUPLICATE) if is_unique else PreconditionFailedError()
        if await upload_rows.has_file(
            connection,
            project_id=project.id,
            name=target.package_name,
            version=target.package_version,
            file_name=target.file_name,
        ):
            raise refusal
    return refusal


@asynccontextmanager
async def stored_body(
    database: Database, store: ObjectStore, project_id: int, body: UploadBody
) -> AsyncGenerator[StoredObject]:
    """Store the body as a new object, for the rows that the block writes; if these fail, the object is removed.

    Raises:
        BadRequestError: the body is too large, or its bytes do not match their checksums.
        ConflictError: somebody else wrote the same rows in this very moment.
    """
    with metrics.timed(metrics.STORAGE_PUT_DURATION):
        stored = await store.put(new_key(project_id), body.limited(), check=body.check)
    try:
        yield stored
    except conflicts() as error:
        await remove_unreferenced(database, store, stored.key)
        raise ConflictError("Resource lock") from error
    except DatabaseAwayError:
        # The client has waited for a silent server already, and has its answer within 12 s in all.
        await remove_unreferenced(database, store, stored.key, within_s=_ASK_AGAIN_S)
        raise
    except BaseException:
        await remove_unreferenced(database, store, stored.key)
        raise


async def remove_unreferenced(
    database: Database, store: ObjectStore, key: str, *, within_s: float | None = None
) -> None:
    """Remove the object unless a file row refers to it, once the transaction that may have written one has ended.

    It stays if that cannot be known *within_s* seconds.
    """
    # A connection that broke during the commit leaves open whether the row is there, so we ask. If nobody
    # answers, the object stays: a surplus object can be found later, a missing one is a lost file.
    try:
        async with asyncio.timeout(within_s), database.transaction() as connection:
            referenced = await upload_rows.is_referenced(connection, key)
    except DatabaseUnavailableError:
        log.warning("object_left_over", key=key)
        return
    if not referenced:
        await store.delete([key])


@repeated
async def _write_rows(
    database: Database,
    caller: Caller,
    project: Project,
    target: GenericFile,
    stored: StoredObject,
    *,
    status: PackageStatus | None,
    refusal: RefusedError | None,
) -> UploadedFileRow:
    """Add the file to its package and return the row; with a *refusal*, raise that where there is such a file."""
    async with database.transaction() as connection:
        package = await upload_rows.find_or_create_exact_package(
            connection,
            project_id=project.id,
            package_type=PackageType.GENERIC,
            name=target.package_name,
            version=target.package_version,
            status=status,
            creator_id=caller.user_id,
        )
        if refusal is not None and await upload_rows.has_file_in(
            connection, package_id=package.id, file_name=target.file_name
        ):
            raise refusal
        return await add_file(connection, caller, stored, project=project, package=package, file_name=target.file_name)


async def add_file(
    connection: Connection,
    caller: Caller,
    stored: StoredObject,
    *,
    project: Project,
    package: UploadedPackageRow,
    file_name: str,
    details: str | None = None,
) -> UploadedFileRow:
    """Add the object as a file to the package, with the pipeline that built it, and announce it; return its row.

    *details* is a JSON object with the facts that a package manager needs of the file.

    Raises:
        RefusedError: the guard of uploads refuses the file.
    """
    await admit_file(connection, caller, project, package, size=stored.size)
    file = await upload_rows.insert_file(
        connection,
        package_id=package.id,
        file_name=file_name,
        stored=stored,
        announcement=announcing.uploaded(project, package, caller, stored, file_name=file_name),
        details=details,
    )
    if caller.pipeline_id is not None:
        await upload_rows.insert_build(connection, file, pipeline_id=caller.pipeline_id)
    return file

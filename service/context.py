"""The composition root: what every process works with, built in one place and closed in reverse."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from service.deletions.deletion import Deletions
from service.errors import StartError, StorageRefusedError, StorageUnavailableError, first_line
from service.infra.postgres.database import Database, DatabaseUnavailableError, fetch, fetch_row
from service.infra.postgres.pool import open_database
from service.infra.postgres.schema_version import require_current_schema
from service.infra.storage.interface import ObjectStore
from service.infra.storage.opening import open_store
from service.infra.storage.pacing import Pace
from service.observing.liveness import Vitals
from service.observing.servers import Condition, ObservedServer, Servers
from service.settings import Settings

_OWNED_BY_ANOTHER: Final = (
    "PACKYARD_STORAGE_URL: the objects in {url} belong to another instance, {owner}; this is {instance}"
)


@dataclass(frozen=True, slots=True)
class Context:
    """The parts that every process works with.

    They are the settings, the database, the object store, the pace of removals, the signs of life, and the state of the
    servers.
    """

    settings: Settings
    database: Database
    store: ObjectStore
    pace: Pace
    vitals: Vitals = field(default_factory=Vitals)
    servers: Servers = field(default_factory=Servers)

    @property
    def deletions(self) -> Deletions:
        """The database, and the rules of time and attempts, for the use cases about deletions."""
        settings = self.settings
        return Deletions(
            self.database,
            resend=settings.resend,
            lease=settings.lease,
            grace=settings.grace_period,
            max_attempts=settings.max_attempts,
            policy_grace=settings.retention_grace,
        )


@asynccontextmanager
async def open_context(
    settings: Settings, *, connections: int = 10, vitals: Vitals | None = None, servers: Servers | None = None
) -> AsyncGenerator[Context]:
    """Open everything in order; close it in reverse, whatever happens.

    Raises:
        StartError: the database cannot be reached or is not migrated, or the store cannot be used or is another one.
    """
    store = open_store(settings)
    async with open_catalogue(settings, connections=connections) as database:
        with _in_one_line():
            await _require_own_store(database, store, settings.storage_url)
        pace = Pace(concurrency=settings.storage_delete_concurrency, rate=settings.storage_delete_rate)
        found = servers or Servers()
        for server in (ObservedServer.DATABASE, ObservedServer.STORE):
            found.note(server, Condition.OK)
        yield Context(settings, database, store, pace, vitals or Vitals(), found)


@asynccontextmanager
async def open_catalogue(settings: Settings, *, connections: int) -> AsyncGenerator[Database]:
    """Open the database alone, for what touches no object: the store may be away, or closed to who asks.

    Raises:
        StartError: the database cannot be reached or is not migrated.
    """
    async with open_database(settings.database_url, size=connections) as database:
        with _in_one_line():
            await require_current_schema(database)
        yield database


@contextmanager
def _in_one_line() -> Iterator[None]:
    try:
        yield
    except DatabaseUnavailableError as error:
        raise StartError(f"PACKYARD_DATABASE_URL: the database failed: {first_line(error)}") from error


async def _require_own_store(database: Database, store: ObjectStore, url: str) -> None:
    # In another's store our objects would all seem to be gone, so each deletion would end and remove nothing.
    try:
        async with database.connection() as connection:
            row = await fetch_row(connection, "instance_id")
            instance = str(row["id"]) if row else ""
            if await store.is_ours():
                owner = await store.owner()
                if owner not in {"", instance}:
                    raise StartError(_OWNED_BY_ANOTHER.format(url=url, owner=owner, instance=instance))
                if owner:
                    return
            elif await fetch(connection, "any_file"):
                raise StartError(
                    f"PACKYARD_STORAGE_URL: the objects of this database are not in {url}: is the volume mounted?"
                )
        await store.adopt(instance)
    except (StorageUnavailableError, StorageRefusedError) as error:
        raise StartError(f"PACKYARD_STORAGE_URL: the object store cannot be used: {error}") from error

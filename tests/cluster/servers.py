"""PostgreSQL, RabbitMQ and an S3 beside the cluster.

`python -m tests.cluster.servers FOLDER HOST` runs until it is killed. Their data lies in FOLDER. servers.json has their
addresses as pods reach them, at HOST.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from service import event_loop
from tests.cluster.plan import FAMILIES, SERVER_PORTS, in_url
from tests.support.seaweed import ADMIN, SeaweedFS
from workers.stack.files import write_private
from workers.stack.postgres import Postgres
from workers.stack.rabbitmq import RabbitMQ
from workers.stack.state import LOOPBACK, StackState


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where pods find the servers, with the rights of their administrators."""

    database: str
    broker: str
    management: str
    s3: str
    s3_key: str
    s3_secret: str

    filer: str
    """Where the bucket's objects can be listed without S3, on the loopback of the machine beside the nodes."""

    @classmethod
    def read(cls, folder: Path) -> "Addresses":
        """Return what the servers of *folder* wrote."""
        return cls(**json.loads((folder / "servers.json").read_text(encoding="utf-8")))


def prepare(folder: Path) -> None:
    """Make the folder of new servers, with the ports that the chart expects."""
    folder.mkdir(parents=True)
    write_private(folder / "stack.json", json.dumps({"ports": SERVER_PORTS, "secrets": {}}))


async def _run(folder: Path, host: str) -> None:
    state = StackState(folder / "stack.json")
    postgres, rabbitmq, seaweed = (
        Postgres(folder, state, durable=False),
        RabbitMQ(folder, state),
        SeaweedFS(folder, state),
    )
    async with asyncio.TaskGroup() as group:
        for server in (postgres, rabbitmq, seaweed):
            group.create_task(server.start())
    addresses = Addresses(
        database=_seen(postgres.url(), host),
        broker=_seen(rabbitmq.url(), host),
        management=_seen(rabbitmq.management_url, host),
        s3=_seen(seaweed.endpoint, host),
        s3_key=ADMIN,
        s3_secret=seaweed.secret(ADMIN),
        filer=seaweed.filer_url,
    )
    write_private(folder / "servers.json", json.dumps(asdict(addresses), indent=2))
    await asyncio.Event().wait()


def _seen(address: str, host: str) -> str:
    return address.replace(LOOPBACK, host, 1)


def local(address: str) -> str:
    """Return the address of a server as programs beside the cluster reach it."""
    for families in FAMILIES.values():
        address = address.replace(in_url(families[0].beside), LOOPBACK)
    return address


if __name__ == "__main__":
    event_loop.run(_run(Path(sys.argv[1]), sys.argv[2]))

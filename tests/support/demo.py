"""A running yard with the demo's directory, made once for all tests of a module."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from service.settings import Settings, load_settings
from tests.support.receivers import SECRET_KEY
from tests.support.servers import Servers, own_database, own_virtual_host
from tests.support.yard import Yard
from workers.stack import demo
from workers.stack.demo import Demo
from workers.stack.plan import StackPlan
from workers.stack.reporter import Reporter
from workers.stack.state import StackState

_DIRECTORY: Final = Path(demo.__file__).with_name("demo.yaml")


@asynccontextmanager
async def demo_yard(
    servers: Servers, folder: Path, *, distributions: Path | None = None, packages: Sequence[Mapping[str, Any]] = ()
) -> AsyncGenerator[Yard]:
    """Give a yard that serves, relays and works, with all that `packyard up` puts into an empty one.

    Without *distributions* it has the demo's users, groups and projects, and no packages but those of *packages*, which
    are lines for `packyard import`.
    """
    async with AsyncExitStack() as stack:
        broker_url = await stack.enter_async_context(own_virtual_host(servers))
        settings = load_settings(
            environment={
                "PACKYARD_DATABASE_URL": await stack.enter_async_context(own_database(servers)),
                "PACKYARD_BROKER_URL": broker_url,
                "PACKYARD_MANAGEMENT_URL": f"{servers.management_url}/{broker_url.rpartition('/')[2]}",
                "PACKYARD_STORAGE_URL": (folder / "objects").as_uri(),
                "PACKYARD_SECRET_KEYS": SECRET_KEY,
                "PACKYARD_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
            }
        )
        yard = Yard(settings, folder)
        stack.push_async_callback(yard.aclose)
        await yard.start("serve", "relay", "work", "schedule")
        if distributions is None:
            await yard.run("directory", "apply", str(_DIRECTORY), "--yes")
        else:
            await _fill(yard, distributions)
        if packages:
            file = folder / "packages.ndjson"
            file.write_text("".join(json.dumps(package) + "\n" for package in packages), encoding="utf-8")
            await yard.run("import", str(file))
        yield yard


async def _fill(yard: Yard, distributions: Path) -> None:
    settings: Settings = load_settings(environment=yard.environment)
    plan = StackPlan(
        yard.folder,
        yard.environment,
        settings,
        postgres=None,
        rabbitmq=None,
        health_ports={},
        state=StackState(yard.folder / "stack.json"),
    )
    said = StringIO()
    await Demo(plan, Reporter(Console(file=said)), yard.folder / "packyard.env").fill(distributions)
    assert "not complete" not in said.getvalue(), said.getvalue()

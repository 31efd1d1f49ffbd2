"""A private RabbitMQ: an installed rabbitmq-server run as our own child, own name, folders and ports."""

import asyncio
import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

import aiohttp

from schemas.messages.topology import POLICIES
from service.errors import StartError
from workers.stack.files import write_private
from workers.stack.processes import Child, Program
from workers.stack.state import LOOPBACK, StackState

_USER: Final = "packyard"
_COOKIE_BYTES: Final = 32
"""Erlang would draw a cookie itself, of 20 letters from a small seed; who knows it runs code in the broker."""
_PATIENCE_S: Final = 60
_POLL_S: Final = 0.1
_PLACES: Final = (
    ("/usr/lib/rabbitmq/bin", "rabbitmq-server"),
    ("/usr/lib/rabbitmq/lib", "*/sbin/rabbitmq-server"),
    ("/opt/homebrew/opt/rabbitmq/sbin", "rabbitmq-server"),
    ("/usr/local/opt/rabbitmq/sbin", "rabbitmq-server"),
    ("/opt/rabbitmq/sbin", "rabbitmq-server"),
)
# Waiting busily for a moment halves the time to start on a virtual machine: threads that sleep are slow to wake.
_ERLANG: Final = (
    "+S 2:2 +sbwt short +sbwtdcpu short +sbwtdio short -start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
)


class RabbitMQ:
    """One broker with its data below *folder*, and the port mapper that it needs.

    Nodes of one cluster differ in *name*, have *state* in common, and use the port mapper of the first one.
    """

    def __init__(
        self, folder: Path, state: StackState, *, name: str = "rabbitmq", settings: Mapping[str, str] | None = None
    ) -> None:
        """Keep it in *folder*; *settings* are more lines of its configuration."""
        self.name = name
        mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:10]
        self.node = f"packyard-{mark}{name.removeprefix('rabbitmq')}@localhost"
        self._folder = folder / name
        self._settings = {} if settings is None else settings
        self._password = state.secret("rabbitmq")
        self._cookie = state.secret("erlang_cookie", size=_COOKIE_BYTES)
        self._ports = {port: state.port(f"{name}_{port}") for port in ("amqp", "management", "dist")}
        self._ports["epmd"] = state.port("rabbitmq_epmd")
        environment = self._environment()
        epmd: list[str | Path] = [
            _program_file("epmd"),
            "-address",
            LOOPBACK,
            "-port",
            str(self._ports["epmd"]),
        ]
        self.epmd = Child(Program(name="epmd", arguments=epmd, folder=folder, environment=environment))
        self.child = Child(
            Program(
                name=self.name,
                arguments=[find_server()],
                folder=folder,
                environment=environment,
                patience=timedelta(seconds=15),
            )
        )

    def url(self, vhost: str = "/") -> str:
        """Return the address of a virtual host."""
        return f"amqp://{_USER}:{self._password}@{LOOPBACK}:{self._ports['amqp']}/{quote(vhost, safe='')}"

    @property
    def management_url(self) -> str:
        """The address of the management API, with its user and password."""
        return f"http://{_USER}:{self._password}@{LOOPBACK}:{self._ports['management']}"

    async def start(self) -> None:
        """Start it and return when it serves and has its policies.

        Raises:
            StartError: it ended, or did not serve in time.
        """
        await asyncio.to_thread(self._prepare)
        if not self.epmd.running:
            self.epmd.start()
        self.child.start()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._serving()
        except TimeoutError:
            raise StartError(f"RabbitMQ did not serve in {_PATIENCE_S} s, see {self.child.program.log}") from None
        await put_policies(self.management_url)

    async def ended(self) -> int:
        """Return its exit status, when it has one."""
        return await self.child.wait()

    async def stop(self) -> None:
        """Stop it, and its port mapper."""
        await self.child.stop()
        await self.epmd.stop()

    async def kill(self) -> None:
        """Kill it, and its port mapper."""
        await self.child.kill()
        await self.epmd.kill()

    async def _serving(self) -> None:
        while not await _listens(self._ports["amqp"]) or not await _listens(self._ports["management"]):
            if not self.child.running:
                raise StartError(f"RabbitMQ ended at its start, see {self.child.program.log}")
            await asyncio.sleep(_POLL_S)

    def _environment(self) -> Mapping[str, str]:
        own = self._folder
        return {
            "HOME": str(own),  # where the Erlang cookie is
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._ports["epmd"]),
            "ERL_CRASH_DUMP_SECONDS": "0",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_DIST_PORT": str(self._ports["dist"]),
            "RABBITMQ_CONF_ENV_FILE": str(own / "none.conf"),
            "RABBITMQ_CONFIG_FILE": str(own / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(own / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(own / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(own / "data"),
            "RABBITMQ_LOG_BASE": str(own / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(own / "pid"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(own / "schema"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
            "RUNNING_UNDER_SYSTEMD": "true",  # the script then becomes the server instead of watching over it
        }

    def _prepare(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_private(self._folder / "none.conf", "")
        write_private(self._folder / ".erlang.cookie", self._cookie)
        write_private(self._folder / "advanced.config", "[].\n")
        write_private(self._folder / "enabled_plugins", "[rabbitmq_management].\n")
        values = {
            "listeners.tcp.1": f"{LOOPBACK}:{self._ports['amqp']}",
            "management.tcp.ip": LOOPBACK,
            "management.tcp.port": self._ports["management"],
            "default_user": _USER,
            "default_pass": self._password,
            "loopback_users": "none",
            "log.console.level": "warning",
            "raft.wal_max_size_bytes": 64 * 1024 * 1024,
            **self._settings,
        }
        write_private(self._folder / "rabbitmq.conf", "".join(f"{name} = {value}\n" for name, value in values.items()))


def find_server(places: Sequence[tuple[str, str]] = _PLACES, path: str | None = None) -> Path:
    """Return the server's own script, by the *places* first: Debian's in the PATH changes to another account.

    Raises:
        StartError: RabbitMQ is not installed.
    """
    for folder, pattern in places:
        for script in sorted(Path(folder).glob(pattern), reverse=True):
            return script
    if found := shutil.which("rabbitmq-server", path=path):
        return Path(found)
    raise StartError("rabbitmq-server is missing: `apt-get install rabbitmq-server`, or set PACKYARD_BROKER_URL")


async def put_policies(management_url: str, vhost: str = "/") -> None:
    """Set the policies of the topology on a virtual host."""
    async with aiohttp.ClientSession(management_url, raise_for_status=True) as session:
        for name, policy in POLICIES.items():
            body: dict[str, object] = dict(policy)
            await session.put(f"/api/policies/{quote(vhost, safe='')}/{name}", json=body)


def _program_file(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise StartError(f"{name} is missing: it comes with Erlang, `apt-get install rabbitmq-server` brings both")
    return Path(found)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True

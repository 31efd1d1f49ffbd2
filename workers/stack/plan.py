"""The plan of a stack: its settings, and which servers it starts itself."""

import errno
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from service.environment import PREFIX, layered
from service.errors import StartError
from service.infra.postgres.pool import open_database
from service.settings import Settings, load_settings
from service.sockets import bind_sockets, local_authority, reason_of
from workers.stack.postgres import Postgres
from workers.stack.rabbitmq import RabbitMQ
from workers.stack.state import StackState, free_port


@dataclass(frozen=True, slots=True)
class StackPlan:
    """The settings as variables and as values; a server that is None was given, and is not ours to start."""

    folder: Path
    environment: Mapping[str, str]
    settings: Settings
    postgres: Postgres | None
    rabbitmq: RabbitMQ | None
    health_ports: Mapping[str, int]
    """The health ports of processes that have no other port."""
    state: StackState

    @property
    def is_exposed(self) -> bool:
        """Whether other machines can reach the API, by the settings."""
        hosts = [*self.settings.host]
        if self.settings.external_url is not None:
            hosts.append(self.settings.external_url.host or "")
        return not all(map(_is_loopback, hosts))

    @property
    def base_url(self) -> str:
        """Where the API will listen, as seen from this machine."""
        return self.url_at(self.settings.port)

    def url_at(self, port: int) -> str:
        """Return the address of a port of ours, as seen from this machine."""
        return f"http://{local_authority(self.settings.host, port)}"


def make_plan(folder: Path, *, port: int | None = None, defaults: Mapping[str, str] | None = None) -> StackPlan:
    """Read what the environment gives (and *defaults* below it), and fill in the rest from *folder*.

    Raises:
        StartError: a setting is wrong, the port is taken, or a server's programs are not installed.
    """
    variables = layered(defaults or {})
    chosen = port if port is not None else _port(variables)
    environment = variables | {"PACKYARD_PORT": str(chosen or free_port())}
    environment.setdefault("PACKYARD_STORAGE_URL", (folder / "objects").as_uri())
    # Wrong settings are reported before anything is made; the addresses of our own servers are not known yet.
    early = _read(environment, database_url="postgresql://", broker_url="amqp://")
    environment.setdefault("PACKYARD_EXTERNAL_URL", f"http://{local_authority(early.host, early.port)}")
    named_servers = {name.removesuffix("_FILE") for name in variables}
    state = StackState(folder / "stack.json")
    if "PACKYARD_SECRET_KEYS" not in named_servers:
        environment["PACKYARD_SECRET_KEYS"] = urlsafe_b64encode(bytes.fromhex(state.secret("keys", size=32))).decode()
    postgres = None if "PACKYARD_DATABASE_URL" in named_servers else Postgres(folder, state)
    rabbitmq = None if "PACKYARD_BROKER_URL" in named_servers else RabbitMQ(folder, state)
    if postgres:
        environment["PACKYARD_DATABASE_URL"] = postgres.url()
    if rabbitmq:
        environment["PACKYARD_BROKER_URL"] = rabbitmq.url()
        environment["PACKYARD_MANAGEMENT_URL"] = rabbitmq.management_url
    settings = _read(environment)
    _require_free(settings)
    health_ports = {name: state.port(f"health_{name}") for name in ("relay", "work", "schedule", "deliver")}
    return StackPlan(folder, environment, settings, postgres, rabbitmq, health_ports, state)


def _require_free(settings: Settings) -> None:
    try:
        sockets = bind_sockets(settings.host, settings.port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise StartError(f"PACKYARD_HOST: cannot listen on {error.filename}: {reason_of(error)}") from error
        host = ",".join(settings.host)
        raise StartError(f"port {settings.port} is in use on {host}: choose another one with --port") from error
    for bound in sockets:
        bound.close()


async def check_database(settings: Settings) -> None:
    """Connect to a database that was given.

    Raises:
        StartError: it cannot be reached, or refuses us.
    """
    async with open_database(settings.database_url, size=1):
        pass


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _port(variables: Mapping[str, str]) -> int:
    text = variables.get("PACKYARD_PORT", str(Settings.model_fields["port"].default))
    if not text.isdecimal():
        raise StartError("PACKYARD_PORT is wrong: should be a number")
    return int(text)


def _read(environment: Mapping[str, str], **assumed: str) -> Settings:
    defaults = {PREFIX + name.upper(): value for name, value in assumed.items()}
    return load_settings(environment=environment, defaults=defaults)

"""PostgreSQL, RabbitMQ and S3 behind TLS whose certificates only a private authority vouches for."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import pytest

from service.context import open_context
from service.settings import Settings
from tests.support.buckets import new_prefix, sign_in_as_admin
from tests.support.catalogue import fill_directory
from tests.support.certificates import Authority, hashed, make_authority
from tests.support.chart import pod_specs, read_manifests, render
from tests.support.observer import rows
from tests.support.proxy import proxy_before
from tests.support.servers import Servers
from tests.support.yard import Yard, eventually

_MAINTAINER: Final = {"PRIVATE-TOKEN": "maintainer-token"}
_PACKAGES: Final = "/api/v4/projects/100/packages"
_MOUNTED: Final = "/run/trust/ca.crt"
_NAMES: Final = {"SSL_CERT_FILE", "SSL_CERT_DIR", "PGSSLROOTCERT"}
_PATIENCE_S: Final = 20


@dataclass(frozen=True, slots=True)
class _Encrypted:
    yard: Yard
    authority: Authority
    management_url: str
    trusting: dict[str, str]
    """The settings that the chart gives to each process, with where the certificate is on this machine."""


def _behind(url: str, endpoint: str, *, scheme: str | None = None, query: str = "") -> str:
    """Return *url* with the host and port of the proxy at *endpoint*."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    host = urlsplit(endpoint).netloc
    changed = parts._replace(scheme=scheme or parts.scheme, netloc=f"{user}@{host}" if user else host, query=query)
    return changed.geturl()


def _given_by_chart(authority: Authority) -> dict[str, str]:
    """Return what the chart sets in each container for a private authority; it has to be the same in all."""
    found = [
        {entry["name"]: entry["value"] for entry in container["env"] if entry["name"] in _NAMES}
        for _, spec in pod_specs(read_manifests(render("production", "--set", "trust.configMap=company")))
        for container in [*spec.get("initContainers", []), *spec["containers"]]
    ]
    assert found[0].keys() == _NAMES
    assert all(one == found[0] for one in found)
    return {name: str(authority.certificate) if value == _MOUNTED else value for name, value in found[0].items()}


@pytest.fixture
async def encrypted(
    settings: Settings, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[_Encrypted]:
    """A yard whose servers all speak TLS; no process is started."""
    async with open_context(settings, connections=1) as context:
        await fill_directory(context)
    sign_in_as_admin(monkeypatch, servers)
    for name in _NAMES:
        monkeypatch.delenv(name, raising=False)
    authority = make_authority(tmp_path / "authority")
    async with _proxies(settings, servers, authority.server) as (database, broker, store, management):
        changed = {
            "database_url": _behind(settings.database_url.get_secret_value(), database, query="sslmode=verify-full"),
            "broker_url": _behind(settings.broker_url.get_secret_value(), broker, scheme="amqps"),
            "storage_url": new_prefix(),
            "storage_endpoint": store,
        }
        yard = Yard(Settings.model_validate(settings.model_dump() | changed), tmp_path / "yard")
        yard.folder.mkdir()
        vhost = urlsplit(settings.broker_url.get_secret_value()).path
        management_url = _behind(servers.management_url, management, scheme="https") + vhost
        async with aclosing(yard):
            yield _Encrypted(yard, authority, management_url, _given_by_chart(authority))


@asynccontextmanager
async def _proxies(settings: Settings, servers: Servers, tls: ssl.SSLContext) -> AsyncGenerator[list[str]]:
    targets = (
        settings.database_url.get_secret_value(),
        settings.broker_url.get_secret_value(),
        servers.s3_endpoint,
        servers.management_url,
    )
    async with AsyncExitStack() as stack:
        yield [(await stack.enter_async_context(proxy_before(target, tls=tls))).endpoint for target in targets]


async def _has_ended(database_url: str, package_id: int) -> bool:
    return bool(
        await rows(database_url, "SELECT 1 FROM deletion WHERE package_id = $1 AND state = 'succeeded'", package_id)
    )


async def test_with_what_the_chart_sets_everything_goes_on_over_tls(encrypted: _Encrypted, database_url: str) -> None:
    yard = encrypted.yard
    assert "schema version" in await yard.run("migrate", settings=encrypted.trusting)
    management = {"PACKYARD_MANAGEMENT_URL": encrypted.management_url}
    await yard.run("roles", "broker", settings={**encrypted.trusting, **management})
    await yard.start(settings=encrypted.trusting)

    async with aiohttp.ClientSession(yard.base_url, headers=_MAINTAINER) as client:
        async with client.put(f"{_PACKAGES}/generic/thing/1.0/f?select=package_file", data=b"x") as answer:
            package_id = (await answer.json())["package_id"]
        async with client.delete(f"{_PACKAGES}/{package_id}") as answer:
            assert answer.status == 204

    await eventually(partial(_has_ended, database_url, package_id), within=_PATIENCE_S)
    assert await rows(database_url, "SELECT 1 FROM outbox WHERE published_at IS NOT NULL AND kind = 'command'")


async def test_the_authorities_of_the_image_stay_good(encrypted: _Encrypted, tmp_path: Path) -> None:
    other = make_authority(tmp_path / "another")
    system = hashed(encrypted.authority, tmp_path / "certs")
    trusting = {**encrypted.trusting, "SSL_CERT_FILE": str(other.certificate), "SSL_CERT_DIR": str(system)}

    await encrypted.yard.start("serve", "relay", settings=trusting)

    await eventually(partial(_is_active, encrypted.yard), within=_PATIENCE_S)


async def _is_active(yard: Yard) -> bool:
    return '"event":"relay_active"' in yard.log("relay")


@pytest.mark.parametrize(
    ("command", "distrusted", "line"),
    [
        ("migrate", "PGSSLROOTCERT", "packyard: PACKYARD_DATABASE_URL: cannot migrate: "),
        ("schedule", "PGSSLROOTCERT", "packyard: PACKYARD_DATABASE_URL: cannot connect to the database: "),
        ("relay", "SSL_CERT_FILE", "packyard: PACKYARD_STORAGE_URL: the object store cannot be used: "),
    ],
)
async def test_without_it_the_server_is_named(
    encrypted: _Encrypted, tmp_path: Path, command: str, distrusted: str, line: str
) -> None:
    other = make_authority(tmp_path / "another")

    output = await encrypted.yard.run(
        command, settings={**encrypted.trusting, distrusted: str(other.certificate)}, status=1
    )

    assert output.splitlines()[-1].startswith(line)


async def test_a_broker_with_a_certificate_of_a_stranger_is_not_waited_for(
    encrypted: _Encrypted, tmp_path: Path
) -> None:
    other = make_authority(tmp_path / "another")
    changed = {
        **encrypted.trusting,
        "SSL_CERT_FILE": str(other.certificate),
        "PACKYARD_STORAGE_URL": (tmp_path / "objects").as_uri(),
        "PACKYARD_STORAGE_ENDPOINT": "",
    }

    output = await encrypted.yard.run("relay", settings=changed, status=1)

    assert output.splitlines()[-1].startswith("packyard: PACKYARD_BROKER_URL: cannot use the broker at ")
    assert "certificate verify failed" in output

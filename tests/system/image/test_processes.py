"""The processes of the image delete a package, as another user than root, on a root that nobody can write to."""

import os
import re
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from service.settings import Settings
from tests.support.catalogue import DIRECTORY
from tests.support.observer import rows
from tests.support.paths import ROOT
from tests.support.yard import PROCESSES, environment_of, eventually
from tests.system.image.container import Container, Image
from workers.stack.state import LOOPBACK, free_port

_BUILT: Final = os.environ.get("IMAGE", "")  # noqa: TID251 - of the make target, and no setting
_MAINTAINER: Final = {"PRIVATE-TOKEN": "maintainer-token"}
_PACKAGES: Final = "/api/v4/projects/100/packages"
_VOLUME: Final = "/var/lib/packyard"
_BUILDERS: Final = ("pip", "pip3", "gcc", "cc", "make", "git")
_PATIENCE_S: Final = 30

pytestmark = pytest.mark.skipif(
    not _BUILT, reason="no image was built: `make image-check` builds one with buildah, as root, and runs these tests"
)


@pytest.fixture(scope="module")
def image() -> Image:
    return Image.unpacked_in(Path(_BUILT))


@pytest.fixture
def volume(image: Image, tmp_path: Path) -> Path:
    """A folder that belongs to the image's user, as a volume would."""
    folder = tmp_path / "volume"
    folder.mkdir()
    shutil.copy(DIRECTORY, folder / "directory.yaml")
    for path in (folder, folder / "directory.yaml"):
        os.chown(path, *image.ids)
    return folder


@pytest.fixture
def variables(settings: Settings) -> dict[str, str]:
    """The settings of a yard in the image, as variables."""
    changed = {
        "PACKYARD_STORAGE_URL": f"file://{_VOLUME}/objects",
        "PACKYARD_HOST": LOOPBACK,
        "PACKYARD_HEALTH_PORT": str(free_port()),
    }
    return {**environment_of(settings), **changed}


@asynccontextmanager
async def _running(
    image: Image, variables: dict[str, str], volume: Path, logs: Path
) -> AsyncGenerator[tuple[str, dict[str, Container]]]:
    """Give the address of the API and the four processes; each is asked to stop in the end, and has to end well."""
    port = str(free_port())
    containers: dict[str, Container] = {}
    health = {name: str(free_port()) for name in PROCESSES}
    # That of the image, which its health check asks.
    health["serve"] = dict(entry.split("=", 1) for entry in image.config["Env"])["PACKYARD_HEALTH_PORT"]
    try:
        for name in PROCESSES:
            containers[name] = await Container.start(
                image,
                *([] if name == "serve" else [name]),
                volume=volume,
                settings={**variables, "PACKYARD_PORT": port, "PACKYARD_HEALTH_PORT": health[name]},
                log=logs / f"{name}.log",
            )
        for name, container in containers.items():
            await eventually(partial(_is_ready, f"http://{LOOPBACK}:{health[name]}", container), within=_PATIENCE_S)
        yield f"http://{LOOPBACK}:{port}", containers
    finally:
        ended = {name: (await container.stop(), container.log[-2_000:]) for name, container in containers.items()}
    assert {name: status for name, (status, _) in ended.items()} == dict.fromkeys(PROCESSES, 0), ended


async def _is_ready(url: str, container: Container) -> bool:
    assert container.is_running, container.log
    try:
        async with aiohttp.ClientSession() as client, client.get(f"{url}/-/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def _has_succeeded(database_url: str) -> bool:
    return [row["state"] for row in await rows(database_url, "SELECT state FROM deletion")] == ["succeeded"]


async def _delete_one(base_url: str, volume: Path) -> None:
    async with aiohttp.ClientSession(base_url, headers=_MAINTAINER) as client:
        async with client.put(f"{_PACKAGES}/generic/thing/1.0/f?select=package_file", data=b"abc") as answer:
            assert answer.status == 200, await answer.text()
            package_id = (await answer.json())["package_id"]
        assert [path.read_bytes() for path in _objects(volume)] == [b"abc"]
        async with client.delete(f"{_PACKAGES}/{package_id}") as answer:
            assert answer.status == 204


def _objects(volume: Path) -> list[Path]:
    return [path for path in (volume / "objects" / "projects").rglob("*") if path.is_file()]


async def test_its_processes_delete_a_package_and_end_when_told(
    image: Image, variables: dict[str, str], volume: Path, tmp_path: Path, database_url: str
) -> None:
    packyard = image.config["Entrypoint"][0]
    for command in (["migrate"], ["directory", "apply", f"{_VOLUME}/directory.yaml"]):
        status, said = await image.run(packyard, *command, volume=volume, settings=variables)
        assert status == 0, said

    async with _running(image, variables, volume, tmp_path) as (base_url, containers):
        await _delete_one(base_url, volume)
        await eventually(partial(_has_succeeded, database_url), within=_PATIENCE_S)
        status, said = await image.run(*image.config["Healthcheck"]["Test"][1:], volume=volume)
        assert (status, said) == (0, "")
        for container in containers.values():
            _assert_confined(container, image)
    assert _objects(volume) == []
    # Nobody answers any more, and the health check says so.
    assert (await image.run(*image.config["Healthcheck"]["Test"][1:], volume=volume))[0] != 0


def _assert_confined(container: Container, image: Image) -> None:
    status = dict(line.split(":\t", 1) for line in container.told("status").splitlines() if ":\t" in line)
    user, group = image.ids
    assert user >= 10_000
    assert (status["Uid"].split(), status["Gid"].split()) == ([str(user)] * 4, [str(group)] * 4)
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {0}
    assert status["NoNewPrivs"] == "1"
    # The place and the options of each mount: what lies below the root of the image is read-only, but for these.
    mounts = {line.split()[4]: line.split()[5].split(",") for line in container.told("mountinfo").splitlines()}
    writable = {place for place, options in mounts.items() if "rw" in options}
    assert writable <= {"/tmp", "/proc", "/dev", _VOLUME}  # noqa: S108 - a mount of the container's
    assert "ro" in mounts["/"]


async def test_nothing_can_be_written_but_to_tmp_and_the_volume(image: Image, volume: Path) -> None:
    places = "/ /opt/packyard /opt/packyard/lib /etc /usr/bin /home /var/tmp /tmp /var/lib/packyard"
    told = f"for place in {places}; do (echo x > $place/mark) 2>/dev/null && echo $place; done; id -u"

    assert await image.run("sh", "-c", told, volume=volume) == (0, "/tmp\n/var/lib/packyard\n10001\n")  # noqa: S108 - the container's


async def test_it_holds_what_runs_and_nothing_that_builds(image: Image, volume: Path) -> None:
    status, said = await image.run(image.config["Entrypoint"][0], "--version", volume=volume)
    version = image.config["Labels"]["org.opencontainers.image.version"]
    assert (status, said) == (0, f"packyard, version {version}\n")

    looked = " ".join(f"$(command -v {tool})" for tool in _BUILDERS)
    assert await image.run("sh", "-c", f"echo {looked}", volume=volume) == (0, "\n")
    for module in ("pip", "setuptools", "hatchling", "pytest"):
        assert (await image.run("python", "-c", f"import {module}", volume=volume))[0] == 1
    # Installed from the pinned list, and each version as it says.
    listed = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')"
    _, said = await image.run("python", "-c", listed, volume=volume)
    installed = {re.sub(r"[-_.]+", "-", name).lower(): found for name, _, found in map(_parted, said.split())}
    text = (ROOT / "requirements" / "image.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", text, re.MULTILINE))
    assert installed.pop("packyard") == version
    assert installed.items() <= pinned.items()
    assert pinned.keys() - installed.keys() <= {"tzdata"}


def _parted(line: str) -> tuple[str, str, str]:
    return line.partition("==")

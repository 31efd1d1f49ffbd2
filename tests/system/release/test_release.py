"""A release, made and published for real: `make release-check`, as root, for minutes."""

import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from tests.support.chart import CHECKERS, pod_specs, read_manifests
from tests.support.paths import ROOT
from workers.stack.state import free_port

_PATIENCE_S: Final = 1_800
pytestmark = pytest.mark.timeout(2 * _PATIENCE_S)
_CONFIG: Final = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same commit, released from two folders, a day apart."""
    made = []
    for name, clock in (("one", "+0"), ("another", "+1d")):
        clone = tmp_path_factory.mktemp(name) / "clone"
        _run("git", "clone", "--quiet", "--no-local", str(ROOT), str(clone))
        for tools in (".venv", ".checkers", ".release"):
            (clone / tools).symlink_to(ROOT / tools)
        exclude = clone / ".git" / "info" / "exclude"
        exclude.write_text(".venv\n.checkers\n.release\n", encoding="utf-8")
        _run("faketime", "-f", clock, "deploy/release/release.sh", "dist", folder=clone)
        made.append(clone / "dist")
    return made


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry of its own."""
    port = free_port()
    config = tmp_path / "registry.yaml"
    config.write_text(_CONFIG.format(folder=tmp_path / "registry", port=port), encoding="utf-8")
    with (tmp_path / "registry.log").open("wb") as log:
        serving = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
    try:
        for _ in range(100):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield f"127.0.0.1:{port}/team"
    finally:
        serving.terminate()
        serving.wait(10)


def test_the_same_commit_gives_the_same_bytes(releases: list[Path]) -> None:
    one, another = (folder.joinpath("SHA256SUMS").read_text(encoding="utf-8").splitlines() for folder in releases)

    assert len(one) == 5, "wheel, source archive, image, chart, and what is in the image"
    assert one == another


def test_what_is_published_is_what_was_made(releases: list[Path], registry: str, tmp_path: Path) -> None:
    out = releases[0]
    refused = _publish(out, registry)
    assert refused.returncode == 1
    assert "stand-in base" in refused.stderr, "nothing is pushed on a base of this machine"

    done = _publish(out, registry, TEST="1")
    assert done.returncode == 0, done.stderr
    digest = done.stdout.split("@")[1].split()[0]
    rendered = _run(
        str(CHECKERS / "helm"),
        "template",
        "yard",
        f"oci://{registry}/charts/packyard",
        "--plain-http",
        "--set",
        "database.url=postgresql://db,broker.url=amqp://mq,broker.managementUrl=http://mq,storage.url=s3://objects",
        folder=tmp_path,
    )
    images = {
        container["image"]
        for _, spec in pod_specs(read_manifests(rendered))
        for container in [*spec.get("initContainers", []), *spec["containers"]]
    }

    assert images == {f"{registry}/packyard@{digest}"}
    pulled = _run(
        "skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{registry}/packyard@{digest}"
    )
    assert pulled.strip() == digest


def test_a_file_that_was_changed_is_not_published(releases: list[Path], registry: str, tmp_path: Path) -> None:
    copied = tmp_path / "dist"
    shutil.copytree(releases[0], copied)
    next(copied.glob("*.whl")).write_bytes(b"something else")

    assert _publish(copied, registry, TEST="1").returncode != 0


def test_the_bill_of_materials_has_what_the_image_runs(releases: list[Path]) -> None:
    (bill,) = releases[0].glob("*.cdx.json")
    names = {component["name"] for component in json.loads(bill.read_text(encoding="utf-8"))["components"]}
    wanted = {
        line.partition("==")[0]
        for line in (ROOT / "requirements" / "image.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line and "sys_platform" not in line and "python_full_version" not in line
    }

    assert wanted <= {re.sub("[-_.]+", "-", name).lower() for name in names}


def test_the_chart_of_a_release_names_its_image(releases: list[Path]) -> None:
    (chart,) = releases[0].glob("packyard-chart-*.tgz")
    with tarfile.open(chart) as archive:
        values = archive.extractfile("packyard/values.yaml")
        assert values is not None
        assert b"\n  digest: sha256:" in values.read()
        assert not [name for name in archive.getnames() if "/examples" in name]


@pytest.mark.skipif(shutil.which("go") is None, reason="Go makes the checker")
def test_the_workflow_is_one_that_a_forge_takes() -> None:
    _run("go", "run", "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12", ".github/workflows/release.yaml")


def _publish(out: Path, registry: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["deploy/release/publish.sh", str(out), registry],
        cwd=ROOT,
        env={**os.environ, "PLAIN_HTTP": "1", **more},  # noqa: TID251 - of the program
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )


def _run(*command: str, folder: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout

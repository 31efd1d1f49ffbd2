"""Commands for a cluster in the documents: the real programs take them; the chart makes what they name.

There is no cluster here, so a command that asks one has to get to the question.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from service.infra.postgres.roles import DatabaseRole
from tests.support.chart import CHART, CHECKERS, Manifest, read_manifests, render
from tests.support.paths import ROOT

_TEXTS: Final = (CHART / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_BLOCK: Final = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINE: Final = re.compile(r"(?:[^\n]*\\\n)*[^\n]*\n")
_NOWHERE: Final = "http://127.0.0.1:1"
_PATIENCE_S: Final = 60


def _commands(program: str) -> Iterator[str]:
    for text in _TEXTS:
        for block in _BLOCK.findall(text.read_text(encoding="utf-8")):
            yield from (line.strip() for line in _LINE.findall(block) if line.startswith(f"{program} "))


_KUBECTL: Final = list(dict.fromkeys(_commands("kubectl")))
_ASKS: Final = [command for command in _KUBECTL if not command.startswith("kubectl create ")]
_MAKES_SECRETS: Final = [command for command in _KUBECTL if command.startswith("kubectl create secret ")]


@pytest.fixture(scope="module")
def made() -> list[Manifest]:
    """The manifests that the chart makes of the example for production."""
    return read_manifests(render("production"))


@pytest.mark.parametrize("command", _ASKS)
def test_kubectl_understands_it(command: str) -> None:
    done = _run(command, "--server", _NOWHERE)
    assert done.stderr.endswith(
        "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n"
    )


def test_kubectl_does_not_understand_everything() -> None:
    assert "unknown flag: --tale" in _run("kubectl logs -l a=b --tale=2", "--server", _NOWHERE).stderr


def test_what_is_asked_about_is_what_the_chart_makes(made: list[Manifest]) -> None:
    labels = [
        manifest["spec"]["template"]["metadata"]["labels"]
        for manifest in made
        if manifest["kind"] in {"Deployment", "Job"} and "metadata" in manifest["spec"]["template"]
    ]
    secrets = _secret_keys(made)
    scaled = {manifest["metadata"]["name"] for manifest in made if manifest["kind"] == "ScaledObject"}
    for command in _ASKS:
        words = shlex.split(command)
        if "-l" in words:
            name, _, value = words[words.index("-l") + 1].partition("=")
            assert value in {pod.get(name) for pod in labels}, command
        if "scaledobject" in words:
            assert words[words.index("scaledobject") + 1] in scaled, command
        if "secret" in words:
            assert words[words.index("secret") + 1] in secrets, command


def test_secrets_are_made_with_the_keys_that_the_chart_reads(made: list[Manifest], tmp_path: Path) -> None:
    (tmp_path / "directory.yaml").write_text("users: []\n", encoding="utf-8")
    secrets = [
        YAML(typ="safe").load(_run(command, "--dry-run=client", "-o", "yaml", folder=tmp_path).stdout)
        for command in _MAKES_SECRETS
    ]
    given = {secret["metadata"]["name"]: set(secret["data"]) for secret in secrets}
    read = _secret_keys(made)

    assert set(given) == {
        "packyard-database",
        "packyard-broker",
        "packyard-passwords",
        "packyard-directory",
        "packyard-webhooks",
    }
    # Mounted whole, and read by what makes the roles.
    assert given.pop("packyard-passwords") <= {role.value for role in DatabaseRole}
    for name, keys in given.items():
        assert read[name] == keys, name


def test_a_config_map_of_authorities_is_made_as_it_is_mounted(tmp_path: Path) -> None:
    (command,) = (command for command in _KUBECTL if command.startswith("kubectl create configmap "))
    (tmp_path / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n", encoding="utf-8")
    config_map = YAML(typ="safe").load(_run(command, "--dry-run=client", "-o", "yaml", folder=tmp_path).stdout)
    manifests = read_manifests(render("production", "--set", f"trust.configMap={config_map['metadata']['name']}"))
    mounted = [found for manifest in manifests for found in _each(manifest, "configMap")]

    assert {item["key"] for found in mounted for item in found.get("items", ())} == set(config_map["data"])


def test_helm_installs_it_as_it_is_written() -> None:
    (command,) = {command for command in _commands("helm") if " --install " in command}
    # Whether there is such a release already, only a cluster knows.
    installing = command.replace("helm upgrade ", "helm install ").replace(" --install ", " ")
    assert "STATUS: pending-install" in _run(installing, "--dry-run=client").stdout
    assert "--install" in _run("helm upgrade --help").stdout


def _secret_keys(manifests: list[Manifest]) -> Mapping[str, set[str]]:
    """Return which keys of which Secrets are read: by pods, by KEDA."""
    keys: dict[str, set[str]] = {}
    for manifest in manifests:
        for secret in _each(manifest, "secret"):
            name = secret.get("name") or secret["secretName"]
            keys.setdefault(name, set()).update(item["key"] for item in secret.get("items", ()))
        if manifest["kind"] == "TriggerAuthentication":
            for reference in manifest["spec"]["secretTargetRef"]:
                keys.setdefault(reference["name"], set()).add(reference["key"])
    return keys


def _each(part: Any, name: str) -> Iterator[dict[str, Any]]:
    """Give every value that has that name anywhere."""
    if isinstance(part, list):
        for element in part:
            yield from _each(element, name)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key == name and isinstance(value, dict):
                yield value
            yield from _each(value, name)


def _run(command: str, *options: str, folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    program, *words = shlex.split(command.replace("\\\n", " "))
    return subprocess.run(
        [str(CHECKERS / program), *words, *options],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": os.devnull},  # noqa: TID251 - of the program
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )

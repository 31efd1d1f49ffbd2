"""Rules for foreign clusters: the command line alone names one, and nothing is done there that it does not allow."""

import os
import subprocess
import sys
import zipfile
from base64 import b64decode
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest

from tests.cluster.checks.check import CASES
from tests.cluster.foreign import cases, trial
from tests.cluster.foreign.check import chosen
from tests.cluster.foreign.clients import keys_in
from tests.cluster.foreign.target import SERVERS, Target, open_target
from tests.cluster.machines import ClusterError
from tests.support.paths import ROOT


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """A cluster that is not there."""
    return Target(tmp_path / "kubeconfig", "elsewhere", tmp_path)


def _printed_by_make(*arguments: str, **environment: str) -> str:
    command = ["make", "--dry-run", "cluster-check", *arguments]
    variables = {**os.environ, **environment}  # noqa: TID251 - of the program
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True)
    return done.stdout


def test_only_the_command_line_names_a_foreign_cluster() -> None:
    settings = {"CHECK_KUBECONFIG": "/of/a/stranger", "MAY_DRAIN": "yes", "CHECK_IMAGE": "a:1"}
    assert "/of/a/stranger" not in (printed := _printed_by_make(**settings))
    assert "--may-drain" not in printed
    printed = _printed_by_make(*(f"{name}={value}" for name, value in settings.items()))
    assert "--kubeconfig '/of/a/stranger' --may-drain 'yes'" in printed
    assert "--image 'a:1'" in printed


@pytest.mark.parametrize("name", ["", "missing"])
def test_a_cluster_without_a_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="there is no file"):
        open_target(Path(name and tmp_path / name), tmp_path)


def test_an_answer_other_than_yes_drains_nothing() -> None:
    command = [sys.executable, "-m", "tests.cluster", "check", "--folder", "x", "--may-drain", "no"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, "invalid choice: 'no'" in done.stderr) == (2, True)


def test_cases_that_disturb_servers_and_nodes_are_refused() -> None:
    assert chosen("", CASES) == chosen("quick", CASES) == ["install", "delete", "rollout", "drain"]
    assert chosen("delete", CASES) == ["install", "delete"]
    with pytest.raises(ClusterError, match="not in a foreign cluster: lose-node"):
        chosen("install,lose-node", CASES)
    with pytest.raises(ClusterError, match="no case is called all"):
        chosen("all", CASES)


def test_nodes_are_drained_only_where_that_was_allowed_and_can_work(target: Target) -> None:
    assert "MAY_DRAIN=yes" in cases.why_not_drain(target)
    allowed = Target(target.kubeconfig, target.context, target.logs, may_drain=True)
    assert "CHECK_SERVERS=" in cases.why_not_drain(allowed)


def test_each_call_names_cluster_context_and_namespace(target: Target) -> None:
    assert target.kubectl_command()[1:] == [
        f"--kubeconfig={target.kubeconfig}",
        "--context=elsewhere",
        f"--namespace={target.namespace}",
    ]
    assert target.namespace.startswith("packyard-check-")
    assert Target(target.kubeconfig, "", target.logs).namespace != target.namespace


@pytest.mark.parametrize(
    ("image", "values"),
    [
        ("", {}),
        ("packyard:0.1.0", {"repository": "packyard", "tag": "0.1.0"}),
        ("host:5000/packyard", {"repository": "host:5000/packyard"}),
        (f"host:5000/a/b@sha256:{'0' * 64}", {"repository": "host:5000/a/b", "digest": f"sha256:{'0' * 64}"}),
    ],
    ids=["chart", "tag", "port", "digest"],
)
def test_an_image_is_taken_apart_for_the_chart(image: str, values: Mapping[str, str], tmp_path: Path) -> None:
    assert Target(tmp_path, "", tmp_path, image=image).image_values() == values


def test_pods_share_the_node_of_a_volume_that_only_one_can_have(target: Target, tmp_path: Path) -> None:
    alone = trial.values(target)
    assert "podAffinity" in alone["affinity"]
    servers = tmp_path / "servers.yaml"
    servers.write_text(SERVERS.read_text(encoding="utf-8").replace("ReadWriteOnce", "ReadWriteMany"), encoding="utf-8")
    shared = trial.values(Target(tmp_path, "", tmp_path, servers=servers))
    assert ("affinity" in shared, shared["api"]) == (False, {"replicas": 2})


def test_the_load_in_the_pod_imports_nothing_that_the_image_lacks(tmp_path: Path) -> None:
    content = b64decode(trial.modules()["binaryData"]["tests.zip"])
    with zipfile.ZipFile(BytesIO(content)) as archive:
        archive.extractall(tmp_path)
    program = (
        "import sys, tests.cluster.foreign.clients\n"
        "print(*{name.partition('.')[0] for name in sys.modules} & {'pytest', 'workers', 'service', 'ruamel'})"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_uploads_under_way_are_no_objects(tmp_path: Path) -> None:
    for name in (".packyard/mark", "ab/cd/object"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert keys_in(tmp_path) == {"ab/cd/object"}

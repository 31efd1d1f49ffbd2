"""The guide's lines from an empty cluster to the first deletion, pasted into one shell as a newcomer would."""

import json
import re
import subprocess
import time
from typing import Any, Final

from ruamel.yaml import YAML

from tests.cluster import yard
from tests.cluster.checks.report import PAGE, Outcome
from tests.cluster.control import kubectl
from tests.cluster.machines import ClusterError, command_in
from tests.cluster.plan import API_PORT, BESIDE, LOCAL_API_PORT, Plan
from tests.cluster.stand_ins import name_packyard, push_stand_ins
from tests.support.chart import CHART, CHECKERS
from tests.support.paths import ROOT
from tests.support.shown_outputs import FENCED, IN_CLUSTER

_NAMESPACE: Final = "trial"
_VOLUMES: Final = ("trial-1", "trial-2")
_FOLDER: Final = "/run/node/volumes"
_PATIENCE_S: Final = 560
_MARK: Final = "@after "
# Neither program is here: the cluster runs already, and its registry has the image by that name.
_BEFORE: Final = "set -eu; kind() { :; }; docker() { :; }; trap 'kill $(jobs -p) || true' EXIT\n"


def first_deletion(page: str) -> list[str]:
    """Return the lines of the guide to paste.

    Raises:
        ClusterError: the page has not exactly one block of them.
    """
    blocks = [block[4] for block in FENCED.finditer(page) if block[3] == IN_CLUSTER]
    if len(blocks) != 1:
        raise ClusterError(f"{len(blocks)} blocks of the guide are called {IN_CLUSTER}")
    return blocks[0].splitlines()


def follow_guide(plan: Plan) -> Outcome:
    """Paste the lines in a namespace of their own, and see the event of the first deletion."""
    lines = first_deletion(PAGE.read_text(encoding="utf-8"))
    push_stand_ins(plan)
    name_packyard(plan, YAML(typ="safe").load(CHART / "Chart.yaml")["appVersion"])
    _offer_volumes(plan)
    began = time.monotonic()
    try:
        printed = _paste(plan, lines)
        servers = {"PostgreSQL": _version(plan, "postgres"), "RabbitMQ": _version(plan, "rabbitmq")}
    finally:
        _clean_up(plan)
    seconds, outputs = _read(printed)
    installed = next(number for number, line in enumerate(lines) if line.startswith("helm "))
    figures: dict[str, float | str] = {
        "lines": len(lines),
        "installed after s": seconds[installed],
        "deleted after s": seconds[-1],
        **servers,
    }
    return Outcome("guide", round(time.monotonic() - began, 1), figures=figures, problems=_problems(outputs[-1]))


def _paste(plan: Plan, lines: list[str]) -> str:
    """Run the lines beside the nodes, where no other program has the port that they forward."""
    access = plan.folder / "kubeconfig-beside"
    here, there = f"127.0.0.1:{LOCAL_API_PORT}", f"{plan.nodes[0].address}:{API_PORT}"
    access.write_text(plan.kubeconfig.read_text(encoding="utf-8").replace(here, there), encoding="utf-8")
    access.chmod(0o600)
    script = _BEFORE + "".join(f"{line}\necho; echo {_MARK}$SECONDS\n" for line in lines)
    settings = (f"--chdir={ROOT}", f"KUBECONFIG={access}", f"PATH={CHECKERS}:/usr/bin:/bin")
    command = command_in(BESIDE, "env", *settings, "timeout", str(_PATIENCE_S), "bash", "-c", script)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (plan.logs / "guide.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode:
        line = lines[min(done.stdout.count(_MARK), len(lines) - 1)]
        raise ClusterError(f"`{line}` ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def _read(printed: str) -> tuple[list[int], list[str]]:
    """Return the seconds after which each line had ended, and its output."""
    parts = re.split(rf"^{_MARK}(\d+)\n", printed, flags=re.MULTILINE)
    return [int(second) for second in parts[1::2]], parts[:-1:2]


def _version(plan: Plan, server: str) -> str:
    command = {"postgres": ("postgres", "--version"), "rabbitmq": ("rabbitmqctl", "version")}[server]
    printed = kubectl(plan, "-n", _NAMESPACE, "exec", f"deploy/{server}", "--", *command)
    found = re.search(r"\d+(?:\.\d+)+", printed)
    return found[0] if found else printed.strip()


def _problems(answer: str) -> list[str]:
    try:
        (event,) = json.loads(answer)
        kind, subject = event["type"], event["subject"]
    except (ValueError, KeyError, TypeError):
        return [f"the last line does not answer with one event: {answer.strip()[:200]}"]
    return [f"the event is {kind} of {subject}"] * ("package.destroyed" not in kind)


def _offer_volumes(plan: Plan) -> None:
    """Make what the provisioner of kind or k3s would: folders of one node that every user may write to."""
    node = plan.nodes[-1].name
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    place = {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
    items: list[dict[str, Any]] = []
    for name in _VOLUMES:
        folder = f"{_FOLDER}/{name}"
        subprocess.run(command_in(node, "install", "-d", "-m", "0777", folder), check=True)
        spec = {
            "capacity": {"storage": "5Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": folder},
            "nodeAffinity": place,
        }
        items.append({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
    yard.apply(plan, items)


def _clean_up(plan: Plan) -> None:
    kubectl(plan, "delete", "namespace", _NAMESPACE, "--ignore-not-found", "--timeout=300s", seconds=320)
    kubectl(plan, "delete", "persistentvolume", *_VOLUMES, "--timeout=60s")
    subprocess.run(command_in(plan.nodes[-1].name, "rm", "-rf", _FOLDER), check=True)

"""A foreign cluster: how to reach it, its nodes, and what may be done there."""

import json
import re
import secrets
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.cluster.machines import ClusterError
from tests.support.chart import CHART, CHECKERS

SERVERS: Final = CHART / "examples" / "servers-to-try.yaml"
_IMAGE: Final = re.compile(r"(?P<repository>[^@]+?)(?::(?P<tag>[^:/@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?")
_PATIENCE_S: Final = 30


def _new_name() -> str:
    return f"packyard-check-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Target:
    """One foreign cluster, and the namespace that is made there; the release has the name of the namespace."""

    kubeconfig: Path
    context: str
    logs: Path
    may_drain: bool = False
    image: str = ""
    """The image of Packyard with its tag or digest; that of the chart when empty."""

    chart: str = str(CHART)
    servers: Path = SERVERS
    """Manifests of PostgreSQL, RabbitMQ and the claim for objects."""

    helm_program: Path = CHECKERS / "helm"
    namespace: str = field(default_factory=_new_name)

    def kubectl(self, *arguments: str, text: str | None = None, seconds: float = 240) -> str:
        """Run kubectl in the namespace; return its output.

        Raises:
            ClusterError: it failed, or took longer.
        """
        return _run([*self.kubectl_command(), *arguments], text, seconds)

    def kubectl_command(self) -> list[str]:
        """Return what each call of kubectl begins with; nothing of the environment decides where it leads."""
        reached = [f"--kubeconfig={self.kubeconfig}", f"--context={self.context}", f"--namespace={self.namespace}"]
        return [str(CHECKERS / "kubectl"), *reached]

    def get(self, *arguments: str) -> Any:
        """Return what `kubectl get` finds, as JSON."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def helm(self, *arguments: str | Path, text: str | None = None, seconds: float = 600) -> str:
        """Run Helm in the namespace; return its output.

        Raises:
            ClusterError: it failed, or took longer.
        """
        reached = ["--kubeconfig", self.kubeconfig, "--kube-context", self.context, "--namespace", self.namespace]
        return _run([str(self.helm_program), *map(str, arguments), *map(str, reached)], text, seconds)

    def nodes(self) -> list[str]:
        """Return the nodes that take pods, by name."""
        return [node["metadata"]["name"] for node in self.get("nodes")["items"] if _takes_pods(node)]

    def image_values(self) -> dict[str, str]:
        """Return the values of the chart that name the image."""
        if not self.image:
            return {}
        found = _IMAGE.fullmatch(self.image)
        if found is None:
            raise ClusterError(f"CHECK_IMAGE: {self.image!r} is no name of an image")
        return {name: value for name, value in found.groupdict().items() if value}


def open_target(kubeconfig: Path, logs: Path, **chosen: Any) -> Target:
    """Return the cluster of the file's current context, which is read once.

    Raises:
        ClusterError: there is no such file, or it names no context.
    """
    if not kubeconfig.is_file():
        raise ClusterError(f"CHECK_KUBECONFIG: there is no file {kubeconfig}")
    command = [str(CHECKERS / "kubectl"), f"--kubeconfig={kubeconfig}", "config", "current-context"]
    return Target(kubeconfig, _run(command, None, _PATIENCE_S).strip(), logs, **chosen)


def _takes_pods(node: dict[str, Any]) -> bool:
    tainted = any(taint["effect"] in {"NoSchedule", "NoExecute"} for taint in node["spec"].get("taints", ()))
    return not node["spec"].get("unschedulable", False) and not tainted


def _run(command: Sequence[str], text: str | None, seconds: float) -> str:
    name = Path(command[0]).name
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{name} did not end within {seconds:.0f} s: {' '.join(command[1:])[:300]}") from None
    if done.returncode:
        raise ClusterError(f"{name} failed: {done.stdout.strip()} {done.stderr.strip()}"[:2000])
    return done.stdout

"""Servers beside the cluster that speak TLS, with certificates of authorities of our own."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.cluster import yard
from tests.cluster.checks.fronts import BEGUN, FRONTS
from tests.cluster.machines import ClusterError, command_in
from tests.cluster.plan import AUTHORITIES, BESIDE, BESIDE_ADDRESS, Plan
from tests.support.paths import ROOT

TRUST: Final = "company-ca"
"""The ConfigMap with the authorities that the processes trust."""

DATABASE: Final = "database"
BROKER: Final = ("broker", "management")
BUCKET: Final = "bucket"
SERVERS: Final = (DATABASE, *BROKER, BUCKET)


@contextmanager
def certified_servers(plan: Plan) -> Iterator[None]:
    """Let the servers speak TLS, too, with certificates of the first authority."""
    show(plan, AUTHORITIES[0], SERVERS)
    program = [sys.executable, "-m", "tests.cluster.checks.fronts", str(_folder(plan))]
    with (plan.logs / "fronts.log").open("wb") as log:
        fronts = subprocess.Popen(
            command_in(BESIDE, "env", f"--chdir={ROOT}", *program),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            if fronts.stdout is None or fronts.stdout.readline().strip() != BEGUN:
                raise ClusterError(f"TLS in front of the servers did not begin, see {log.name}")
            yield
        finally:
            fronts.communicate("", timeout=20)


def show(plan: Plan, authority: str, servers: Sequence[str]) -> None:
    """Let *servers* show the certificates that this authority has signed."""
    for name in servers:
        _put(plan.authorities / authority, _folder(plan) / name)


def trust(plan: Plan, place: yard.Place, authorities: Sequence[str]) -> str:
    """Let the processes trust these authorities; return the certificates as their pods see them soon."""
    bundle = "".join((plan.authorities / name / "ca.crt").read_text(encoding="utf-8") for name in authorities)
    metadata = {"name": TRUST, "namespace": place.namespace}
    yard.apply(plan, [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": bundle}}])
    return bundle


def certified_values(plan: Plan) -> dict[str, Any]:
    """Return the values that lead to the servers by TLS."""
    port = FRONTS[BUCKET][0]
    return {
        "trust": {"configMap": TRUST},
        "settings": {"STORAGE_ENDPOINT": f"https://{BESIDE_ADDRESS}:{port}", "STORAGE_REGION": "us-east-1"},
        "networkPolicy": {
            "database": {"ports": [FRONTS[DATABASE][0]]},
            "broker": {"ports": [FRONTS["broker"][0]]},
            "management": {"ports": [FRONTS["management"][0]]},
            "storage": {"ports": [port]},
        },
    }


def _folder(plan: Plan) -> Path:
    return plan.folder / "servers" / "shown"


def _put(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    # The key first: the certificate's change is what is watched.
    for name in ("server.key", "server.crt"):
        draft = target / f"{name}.new"
        shutil.copy(source / name, draft)
        draft.chmod(0o600)
        draft.replace(target / name)

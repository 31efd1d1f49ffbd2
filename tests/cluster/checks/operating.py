"""The work of operators with an installation: commands in its pod, and `helm test`."""

import json
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.cluster import yard
from tests.cluster.checks.cases import await_ready, own_values
from tests.cluster.checks.report import Outcome
from tests.cluster.control import kubectl
from tests.cluster.machines import ClusterError
from tests.cluster.plan import NAMESPACE, RELEASE, Plan
from tests.cluster.yard import DIRECTORY

_OPERATOR: Final = f"deploy/{RELEASE}-packyard-operator"
_TOKEN_SECRET: Final = "test-token"
_MISSING: Final = "a project and a token are needed"
_PATIENCE_S: Final = 300


def run_commands(plan: Plan) -> Outcome:
    """Run the documented commands in the pod for operators."""
    began = time.monotonic()
    await_ready(plan)
    in_pod = ("-n", NAMESPACE, "exec", "--stdin", _OPERATOR, "--", "packyard")
    directory = DIRECTORY.read_text(encoding="utf-8")
    kubectl(plan, *in_pod, "directory", "apply", "--yes", "-", text=directory)
    listed = kubectl(plan, *in_pod, "deletions", "list", "--limit", "1", text="")
    package = {"project": "acme/open", "package_type": "generic", "name": "operated", "version": str(time.time_ns())}
    line = json.dumps({**package, "files": [{"file_name": "app.bin", "content": "by an operator"}]})
    imported = kubectl(plan, *in_pod, "import", "-", text=f"{line}\n")
    problems = ["`packyard deletions list` printed nothing"] * (not listed.strip())
    problems += ["`packyard import` printed nothing"] * (not imported.strip())
    return Outcome("commands", round(time.monotonic() - began, 1), figures={"commands": 3}, problems=problems)


def helm_test(plan: Plan) -> Outcome:
    """Run `helm test` without a token, which it asks for, and with one; it leaves no object."""
    began = time.monotonic()
    values = own_values(plan)
    yard.install(plan, values)
    refused, said = _helm_test(plan)
    problems = [f"without a token it does not ask for one: {said}"] * (not refused or _MISSING not in said)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": _TOKEN_SECRET, "namespace": NAMESPACE}}
    yard.apply(plan, [{**secret, "stringData": {"token": "maintainer-token"}}])
    try:
        yard.install(plan, {**values, "test": {"tokenSecret": _TOKEN_SECRET, "project": "acme/open"}})
        started = time.monotonic()
        refused, said = _helm_test(plan)
        seconds = round(time.monotonic() - started)
        problems += [f"it failed: {said}"] * refused
        chosen = ("-l", "app.kubernetes.io/component=test", "-o", "name")
        left = kubectl(plan, "-n", NAMESPACE, "get", "pods", *chosen).split()
        problems += [f"it left {name}" for name in left]
        yard.install(plan, values)
    finally:
        kubectl(plan, "-n", NAMESPACE, "delete", "secret", _TOKEN_SECRET)
    return Outcome("helm-test", round(time.monotonic() - began, 1), figures={"test s": seconds}, problems=problems)


def _helm_test(plan: Plan) -> tuple[bool, str]:
    """Return whether it failed, and all that it printed."""
    command: list[str | Path] = [yard.helm_program(plan), "test", RELEASE, "--namespace", NAMESPACE]
    command += ["--kubeconfig", plan.kubeconfig]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise ClusterError(f"helm test did not end within {_PATIENCE_S} s") from None
    return done.returncode != 0, f"{done.stdout}{done.stderr}"

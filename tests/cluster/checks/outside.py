"""Callers from outside the cluster, by an Ingress and by an HTTPRoute that Traefik carries out."""

import subprocess
import time
from collections.abc import Mapping
from typing import Any, Final

from tests.cluster import yard
from tests.cluster.checks.cases import own_values
from tests.cluster.checks.report import Outcome
from tests.cluster.control import kubectl
from tests.cluster.machines import ClusterError, command_in, wait_for
from tests.cluster.parts import TRAEFIK, build_part, module_folder
from tests.cluster.plan import BESIDE, Plan
from tests.cluster.registry import push_part

_NAMESPACE: Final = "traefik"
_PORT: Final = 30090
_INNER_PORT: Final = 8000
_HOST: Final = "packages.test"
_PACKAGE: Final = "/api/v4/projects/100/packages"
_LARGE: Final = 50 * 2**20
_PATIENCE_S: Final = 90
_STREAM_S: Final = 5
_AS_BROWSER: Final = ("--header", "Accept: text/html")
"""Pages are served to those alone that ask for HTML."""

_RULES: Final = (
    ([""], ["services", "secrets", "nodes", "namespaces", "configmaps"], ["get", "list", "watch"]),
    (["discovery.k8s.io"], ["endpointslices"], ["list", "watch"]),
    (["networking.k8s.io"], ["ingresses", "ingressclasses"], ["get", "list", "watch"]),
    (["networking.k8s.io"], ["ingresses/status"], ["update"]),
    (["gateway.networking.k8s.io"], ["*"], ["get", "list", "watch", "update", "patch"]),
)


def call_from_outside(plan: Plan) -> Outcome:
    """Lead an Ingress and then an HTTPRoute to the release; try pages, API, a large upload and a stream by each."""
    build_part(TRAEFIK.part, plan.build)
    push_part(plan, TRAEFIK)
    began = time.monotonic()
    values = own_values(plan)
    crds = str(module_folder("traefik", "sigs.k8s.io/gateway-api") / "config" / "crd")
    kubectl(plan, "apply", "--server-side", "-k", crds)
    yard.apply(plan, _controller(plan))
    only_from_it = {"apiFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": _NAMESPACE}}}]}
    policies = {"networkPolicy": {**values["networkPolicy"], **only_from_it}}
    route = {"enabled": True, "hostnames": [_HOST], "parentRefs": [{"name": "outside", "namespace": _NAMESPACE}]}
    ways = {
        "Ingress": {"ingress": {"enabled": True, "className": "traefik", "host": _HOST}},
        "HTTPRoute": {"httpRoute": route},
    }
    problems: list[str] = []
    figures: dict[str, float | str] = {}
    try:
        kubectl(plan, "-n", _NAMESPACE, "rollout", "status", "deployment/traefik", "--timeout=120s")
        for name, way in ways.items():
            yard.install(plan, {**values, **policies, "api": {**values["api"], **way}})
            found, seconds = _tried(plan)
            problems += [f"{name}: {problem}" for problem in found]
            figures[f"50 MB by {name} s"] = seconds
    finally:
        yard.install(plan, values)
        kubectl(plan, "delete", "namespace", _NAMESPACE, "--timeout=150s")
        kubectl(plan, "delete", "clusterrole/traefik", "clusterrolebinding/traefik", "ingressclass/traefik")
        kubectl(plan, "delete", "--ignore-not-found", "-k", crds)
    return Outcome("outside", round(time.monotonic() - began, 1), figures=figures, problems=problems)


def _tried(plan: Plan) -> tuple[list[str], float]:
    """Return the problems of one way in, and the seconds of the large upload."""
    wait_for(
        lambda: _status(plan, "/", *_AS_BROWSER) == "200", "the controller does not lead to the pages", _PATIENCE_S
    )
    wanted = {
        "/acme/open": "200",
        "/api/v4/projects/100/packages": "200",
        "/-/ready": "404",
        "/-/live": "404",
        "/-/metrics": "404",
    }
    problems = [
        f"{path} answers {status}, not {right}"
        for path, right in wanted.items()
        if (status := _status(plan, path, *(() if "/api/" in path else _AS_BROWSER))) != right
    ]
    started = time.monotonic()
    path = f"{_PACKAGE}/generic/outside/{time.time_ns()}/large.bin"
    uploaded = _status(plan, path, "--upload-file", "-", content=bytes(_LARGE))
    seconds = round(time.monotonic() - started, 1)
    problems += [f"the upload of 50 MB answers {uploaded}"] * (uploaded != "201")
    stream = ("--header", "Accept: text/event-stream", "--max-time", str(_STREAM_S), "--output", "-", "--no-buffer")
    heard = _curl(plan, f"{_PACKAGE[: -len('/packages')]}/package_events?after=0", *stream)
    problems += ["the stream has no event"] * ("event:" not in heard and "data:" not in heard)
    return problems, seconds


def _status(plan: Plan, path: str, *options: str, content: bytes = b"") -> str:
    return _curl(plan, path, *options, "--output", "/dev/null", "--write-out", "%{http_code}", content=content)


def _curl(plan: Plan, path: str, *options: str, content: bytes = b"") -> str:
    address = f"http://{plan.nodes[0].address}:{_PORT}{path}"
    headers = ("--header", f"Host: {_HOST}", "--header", "PRIVATE-TOKEN: maintainer-token")
    command = command_in(BESIDE, "curl", "--silent", *headers, *options, address)
    done = subprocess.run(command, input=content, capture_output=True, check=False, timeout=_PATIENCE_S)
    if done.returncode not in {0, 7, 28, 52, 56}:
        raise ClusterError(f"curl ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace")


def _controller(plan: Plan) -> list[dict[str, Any]]:
    """Return the manifests of Traefik, which runs on the first node, and of its classes."""
    classes = {"controller": "traefik.io/ingress-controller"}
    gateway_class = {"controllerName": "traefik.io/gateway-controller"}
    listener = {
        "name": "web",
        "port": _INNER_PORT,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    rules = [{"apiGroups": groups, "resources": resources, "verbs": verbs} for groups, resources, verbs in _RULES]
    account = {"kind": "ServiceAccount", "name": "traefik", "namespace": _NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "traefik"}
    ports = [{"name": "web", "port": 80, "targetPort": _INNER_PORT, "nodePort": _PORT}]
    service = {"type": "NodePort", "selector": {"app": "traefik"}, "ports": ports}
    return [
        _made("v1", "Namespace", {}, name=_NAMESPACE, namespace=None),
        _made("v1", "ServiceAccount", {}),
        _made("rbac.authorization.k8s.io/v1", "ClusterRole", {"rules": rules}, namespace=None),
        _made(
            "rbac.authorization.k8s.io/v1",
            "ClusterRoleBinding",
            {"roleRef": role, "subjects": [account]},
            namespace=None,
        ),
        _made("networking.k8s.io/v1", "IngressClass", {"spec": classes}, namespace=None),
        _made("gateway.networking.k8s.io/v1", "GatewayClass", {"spec": gateway_class}, namespace=None),
        _made(
            "gateway.networking.k8s.io/v1",
            "Gateway",
            {"spec": {"gatewayClassName": "traefik", "listeners": [listener]}},
            name="outside",
        ),
        _made("v1", "Service", {"spec": service}),
        _made("apps/v1", "Deployment", {"spec": _deployment(plan)}),
    ]


def _made(
    version: str, kind: str, content: Mapping[str, Any], *, name: str = "traefik", namespace: str | None = _NAMESPACE
) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def _deployment(plan: Plan) -> dict[str, Any]:
    arguments = [
        f"--entryPoints.web.address=:{_INNER_PORT}",
        # An upload may take its time, and a stream has no end.
        "--entryPoints.web.transport.respondingTimeouts.readTimeout=0",
        "--providers.kubernetesIngress",
        "--providers.kubernetesGateway",
        "--global.checkNewVersion=false",
        "--global.sendAnonymousUsage=false",
    ]
    container = {
        "name": "traefik",
        "image": f"docker.io/{TRAEFIK.name}",
        "args": arguments,
    }
    labels = {"app": "traefik"}
    pod = {
        "serviceAccountName": "traefik",
        "nodeSelector": {"kubernetes.io/hostname": plan.nodes[0].name},
        "containers": [container],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}

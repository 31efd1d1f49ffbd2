"""The Helm chart, by the tools that its users would check it with, and by what a cluster would rely on."""

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from schemas.names import Lane
from service.environment import PREFIX
from service.settings import Settings
from tests.support.chart import (
    CHART,
    CHECKERS,
    DOCKERFILE,
    EXAMPLES,
    EXTRAS,
    GOLDEN,
    VALUES_PAGE,
    Manifest,
    golden,
    helm,
    page_of_values,
    parsed_command,
    pod_specs,
    read_manifests,
    read_schema,
    render,
    values_file,
    values_schema,
)

_PATIENCE_S: Final = 110
_KUBERNETES: Final = ("1.31", "1.37")
"""The oldest that the chart allows, and the newest that is known to the checker."""

_CRDS: Final = Path(__file__).parent / "crds"

_KEYS: Final = ("packyard-webhooks", "keys")
_DEPLOYMENTS: Final = ("api", "operator", "relay", "scheduler", "worker-bulk", "worker-interactive")
_OF_LIBRARIES: Final = {"SSL_CERT_FILE", "SSL_CERT_DIR", "PGSSLROOTCERT"}
"""Variables that are no settings of ours; what they do is tried in tests/acceptance."""

_ALLOWED: Final = {
    # A limit of the processor would only make people wait.
    "CKV_K8S_11": {(example, "api") for example in EXAMPLES},
    # The SDKs of the stores read credentials from the environment; workload identity needs none at all.
    "CKV_K8S_35": {("production", component) for component in (*_DEPLOYMENTS, "deliverer")},
    # Nothing runs in the one, and the other ends by itself.
    "CKV_K8S_8": {(example, component) for example in EXAMPLES for component in ("operator", "test")},
    "CKV_K8S_9": {(example, component) for example in EXAMPLES for component in ("operator", "test")},
    # For a first trial a tag is enough, and a node need not ask the registry for it at every start.
    "CKV_K8S_43": {("small", component) for component in (*_DEPLOYMENTS, "set-up", "test")},
    "CKV_K8S_15": {("small", component) for component in (*_DEPLOYMENTS, "set-up", "test")},
    # The base is an argument, so that another can be taken; its default has a tag.
    "CKV_DOCKER_7": {("Dockerfile", "FROM")},
}
"""Findings of checkov that we keep, with the reason."""


@pytest.fixture(scope="module")
def manifests() -> Callable[[str], list[Manifest]]:
    rendered: dict[str, list[Manifest]] = {}

    def find(example: str) -> list[Manifest]:
        if example not in rendered:
            rendered[example] = read_manifests(render(example))
        return rendered[example]

    return find


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every example in a file of its own."""
    folder = tmp_path_factory.mktemp("rendered")
    written = [folder / f"{example}.yaml" for example in EXAMPLES]
    for path in written:
        path.write_text(render(path.stem), encoding="utf-8")
    return written


def _check(*arguments: object) -> tuple[int, str]:
    done = subprocess.run(
        [str(argument) for argument in arguments], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("example", EXAMPLES)
def test_helm_lints_each_example(example: str) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", "--values", str(CHART / "examples" / f"{example}.yaml"))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_manifests_are_the_golden_ones(example: str) -> None:
    kept = (GOLDEN / f"{example}.yaml").read_text(encoding="utf-8")

    assert golden(example) == kept, "if that is what you want: make chart"


@pytest.mark.parametrize("kubernetes", _KUBERNETES)
def test_every_object_of_kubernetes_fits_its_schema(files: list[Path], kubernetes: str) -> None:
    _, said = _check(CHECKERS / "kubernetes-validate", "--strict", "-k", kubernetes, *files)

    kinds = [
        manifest["apiVersion"].rpartition("/")[0] for path in files for manifest in read_manifests(path.read_text())
    ]
    custom = sum(group in {"keda.sh", "monitoring.coreos.com"} for group in kinds)
    assert said.count(" passed for resource ") == len(kinds) - custom, said
    assert said.count("Couldn't find schema for kind ") == custom, "those are for another test"
    assert said.count("\n") == len(kinds), said


def test_every_custom_resource_fits_its_definition(files: list[Path]) -> None:
    status, said = _check(CHECKERS / "python", Path(__file__).parent / "check_crds.py", *files)

    assert (status, said) == (0, "13 objects\n")


def test_every_server_that_one_may_bring_fits_its_definition() -> None:
    text = (CHART / "examples" / "bring-your-own-servers.yaml").read_text(encoding="utf-8")
    kinds = []
    for manifest in read_manifests(text):
        schema = json.loads((_CRDS / f"{manifest['kind']}.json").read_text(encoding="utf-8"))
        breaches = [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(manifest)]
        assert breaches == [], manifest["metadata"]["name"]
        kinds.append(manifest["kind"])

    assert set(kinds) == {"Cluster", "RabbitmqCluster", "ExternalSecret"}


def test_checkov_finds_only_what_is_allowed(files: list[Path]) -> None:
    # In one call, since it takes longer to load than to check.
    places = [argument for path in (*files, DOCKERFILE) for argument in ("--file", path)]
    _, said = _check(
        CHECKERS / "checkov",
        "--framework",
        "kubernetes",
        "dockerfile",
        "--quiet",
        "--compact",
        "--skip-download",
        "-o",
        "json",
        *places,
    )
    reports = json.loads(said)
    found = {
        (failure["check_id"], Path(failure["file_path"]).stem, failure["resource"].rpartition(".")[2])
        for report in reports
        for failure in report["results"]["failed_checks"]
    }

    assert sum(report["summary"]["passed"] for report in reports) > 1_000
    assert {report["check_type"] for report in reports} == {"kubernetes", "dockerfile"}
    assert {(check, file, name.removeprefix("packyard-")) for check, file, name in found} == {
        (check, *place) for check, places in _ALLOWED.items() for place in places
    }


def test_the_table_of_values_says_what_there_is() -> None:
    assert VALUES_PAGE.read_text(encoding="utf-8") == page_of_values(), "make chart"


def test_the_values_are_written_below_what_they_mean() -> None:
    assert (CHART / "values.yaml").read_text(encoding="utf-8") == values_file(), "make chart"


def test_every_value_has_a_meaning_and_every_meaning_a_value() -> None:
    described = set(re.findall(r"^\| `([\w.]+)` \|", page_of_values(), re.MULTILINE))
    schema = read_schema()
    of_each_process = set(EXTRAS)

    def names(place: str, properties: dict[str, Any]) -> set[str]:
        found = {place + name for name in properties}
        for name, inner in properties.items():
            found |= names(f"{place}{name}.", inner.get("properties", {}))
        return found

    # A default that has no schema is refused by lint; a schema without a default is found here.
    assert {
        name
        for name in names("", schema["properties"]) - described
        if not name.startswith("settings.") and name.rpartition(".")[2] not in of_each_process
    } == {"global"}


def test_the_schema_of_settings_is_that_of_the_code() -> None:
    assert (CHART / "values.schema.json").read_text(encoding="utf-8") == values_schema(), "make chart"


def test_no_setting_has_two_places_in_the_chart(manifests: Callable[[str], list[Manifest]]) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))["properties"]["settings"]
    example = YAML(typ="safe").load(CHART / "examples" / "production.yaml")["settings"]
    fixed = {
        entry["name"].removeprefix(PREFIX).removesuffix("_FILE")
        for _, spec in pod_specs(manifests("production"))
        for container in [*spec.get("initContainers", []), *spec["containers"]]
        for entry in container["env"]
    } - {"HOST", *example}

    assert fixed == {name.upper() for name in Settings.model_fields} - set(schema["properties"])


def test_an_upgrade_that_reuses_older_values_is_rendered() -> None:
    older = ["directory=null", "settings=null", "api.service.ipFamilyPolicy=null", "api.service.ipFamilies=null"]
    rendered = render("small", *(part for option in older for part in ("--set", option)))

    assert "PACKYARD_HOST" not in rendered, "the image has its own"


_LARGE: Final = """
settings:
  RATE_LIMIT: 1000000
  GENERIC_MAX_FILE_SIZE: 6000000000
  DOWNLOAD_REDIRECT: true
  GRACE_PERIOD: 1209600
  LEASE: 2.5
  HOST: "0.0.0.0,::"
podSecurity: {user: 1000660000, group: 1000660000}
api: {terminationGracePeriodSeconds: 1000000}
setUp: {activeDeadlineSeconds: 1000000}
autoscaling: {mode: keda, scaleDownAfterSeconds: 3600}
workers: {bulk: {messagesPerWorker: 1000000, duePerWorker: 2000000}}
"""


def test_a_large_number_of_a_values_file_stays_a_number(tmp_path: Path) -> None:
    values = tmp_path / "large.yaml"
    values.write_text(_LARGE, encoding="utf-8")
    rendered = render("small", "--values", str(values))
    (api,) = (spec for component, spec in pod_specs(read_manifests(rendered)) if component == "api")
    environment = {entry["name"].removeprefix(PREFIX): entry["value"] for entry in api["containers"][0]["env"]}

    assert not re.search(r"[0-9]e\+[0-9]", rendered)
    assert api["securityContext"]["runAsUser"] == 1_000_660_000
    assert {
        "RATE_LIMIT": "1000000",
        "GENERIC_MAX_FILE_SIZE": "6000000000",
        "DOWNLOAD_REDIRECT": "true",
        "GRACE_PERIOD": "1209600",
        "LEASE": "2.5",
        "HOST": "0.0.0.0,::",
    }.items() <= environment.items()


def test_pods_listen_in_both_families_and_so_does_the_service_where_the_cluster_has_them(
    manifests: Callable[[str], list[Manifest]],
) -> None:
    hosts = {
        entry["value"]
        for _, spec in pod_specs(manifests("production"))
        for container in spec["containers"]
        for entry in container["env"]
        if entry["name"] == "PACKYARD_HOST"
    }
    policies = {
        manifest["metadata"]["name"]: manifest["spec"].get("ipFamilyPolicy")
        for manifest in manifests("production")
        if manifest["kind"] == "Service"
    }

    assert hosts == {"::"}
    assert policies == {"packyard-api": "PreferDualStack", "packyard-metrics": None}


def test_a_cluster_of_ipv6_alone_can_be_named() -> None:
    options = ["--set", "api.service.ipFamilyPolicy=SingleStack", "--set", "api.service.ipFamilies={IPv6}"]
    (service,) = (found for found in read_manifests(render("small", *options)) if found["kind"] == "Service")

    assert (service["spec"]["ipFamilyPolicy"], service["spec"]["ipFamilies"]) == ("SingleStack", ["IPv6"])


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_setting_and_argument_is_one_that_packyard_knows(
    manifests: Callable[[str], list[Manifest]], example: str
) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    commands = set()
    for _, spec in pod_specs(manifests(example)):
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            named = [entry["name"] for entry in container["env"]]
            assert {name.removesuffix("_FILE") for name in named if name not in _OF_LIBRARIES} <= known
            assert {f"{PREFIX}DATABASE_URL", f"{PREFIX}STORAGE_URL"} <= {name.removesuffix("_FILE") for name in named}
            assert len(named) == len(set(named))
            assert spec["enableServiceLinks"] is False, "Services would be settings that nobody knows"
            commands.add(shlex.join(parsed_command(container["args"])))

    assert {"serve", "relay", "schedule", "set-up", "wait", "idle"} <= commands


def test_a_pod_waits_with_all_that_its_process_has(manifests: Callable[[str], list[Manifest]]) -> None:
    for example in EXAMPLES:
        for component, spec in pod_specs(manifests(example)):
            if component in {"set-up", "operator"}:
                continue
            (waiting,), (process,) = spec["initContainers"], spec["containers"]
            environment = {entry["name"]: entry["value"] for entry in process["env"]}
            uses_broker = "PACKYARD_BROKER_URL_FILE" in environment

            assert waiting["args"] == ["wait", "--for", "15m", *(["--broker"] if uses_broker else [])]
            assert uses_broker == (component not in {"api", "scheduler", "deliverer"})
            assert waiting["volumeMounts"] == process["volumeMounts"]
            assert waiting.get("envFrom") == process.get("envFrom")
            assert {entry["name"]: entry["value"] for entry in waiting["env"]}.items() <= environment.items()


@pytest.mark.parametrize("example", EXAMPLES)
def test_whatever_selects_pods_finds_some(manifests: Callable[[str], list[Manifest]], example: str) -> None:
    pods = [
        manifest["spec"]["template"]["metadata"]["labels"]
        for manifest in manifests(example)
        if manifest["kind"] in {"Deployment", "Job"} and "metadata" in manifest["spec"]["template"]
    ]
    services = [manifest["metadata"]["labels"] for manifest in manifests(example) if manifest["kind"] == "Service"]
    names = {manifest["metadata"]["name"] for manifest in manifests(example) if manifest["kind"] == "Deployment"}
    seen = set()
    for manifest in manifests(example):
        spec = manifest.get("spec", {})
        match manifest["kind"]:
            case "Service":
                found = _selected(pods, {"matchLabels": spec["selector"]})
            case "NetworkPolicy" if manifest["metadata"]["name"].endswith("-test"):
                continue
            case "NetworkPolicy":
                found = _selected(pods, spec["podSelector"])
            case "PodDisruptionBudget" | "Deployment":
                found = _selected(pods, spec["selector"])
                assert len(found) == 1
            case "ServiceMonitor":
                found = _selected(services, spec["selector"])
            case "ScaledObject" | "HorizontalPodAutoscaler":
                found = [spec["scaleTargetRef"]["name"]] if spec["scaleTargetRef"]["name"] in names else []
            case _:
                continue
        seen.add(manifest["kind"])
        assert found, manifest["metadata"]["name"]

    assert {"Service", "NetworkPolicy", "PodDisruptionBudget"} <= seen
    assert seen & {"ScaledObject", "HorizontalPodAutoscaler"}


def _selected(labelled: list[dict[str, str]], selector: Manifest) -> list[dict[str, str]]:
    found = []
    for labels in labelled:
        fits = all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())
        for expression in selector.get("matchExpressions", []):
            among = labels.get(expression["key"]) in expression["values"]
            fits = fits and among == (expression["operator"] == "In")
        if fits:
            found.append(labels)
    return found


def test_each_process_is_given_its_own_addresses_alone(manifests: Callable[[str], list[Manifest]]) -> None:
    given = {
        component: {
            (source["secret"]["name"], item["key"])
            for volume in spec["volumes"]
            for source in volume.get("projected", {}).get("sources", [])
            for item in source["secret"]["items"]
        }
        for component, spec in pod_specs(manifests("production"))
    }
    worker = {("packyard-database", "worker"), ("packyard-broker", "worker")}

    assert given == {
        "api": {("packyard-database", "api"), _KEYS},
        "relay": {("packyard-database", "relay"), ("packyard-broker", "relay")},
        "scheduler": {("packyard-database", "scheduler")},
        "deliverer": {("packyard-database", "deliverer"), _KEYS},
        "worker-interactive": worker,
        "worker-bulk": worker,
        "operator": {("packyard-database", "operator")},
        "set-up": {("packyard-database", "owner"), ("packyard-broker", "management"), _KEYS},
    }


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_process_reads_each_address_at_a_path_of_its_secret_and_key(
    manifests: Callable[[str], list[Manifest]], example: str
) -> None:
    for component, spec in pod_specs(manifests(example)):
        sources = [
            source["secret"] for volume in spec["volumes"] for source in volume.get("projected", {}).get("sources", [])
        ]
        paths = {f"/run/addresses/{source['name']}/{item['key']}" for source in sources for item in source["items"]}
        mounted = {f"/run/addresses/{item['path']}" for source in sources for item in source["items"]}
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            read = {one["value"] for one in container.get("env", []) if one["name"].endswith("_FILE")}
            assert {path for path in read if path.startswith("/run/addresses/")} == paths == mounted, component
        # The kubelet would wait for a key that is missing, and no log would say so.
        assert all(source["optional"] for source in sources), component


@pytest.mark.parametrize("example", EXAMPLES)
def test_all_that_is_not_allowed_is_denied(manifests: Callable[[str], list[Manifest]], example: str) -> None:
    policies = {
        manifest["metadata"]["name"].removeprefix("packyard-"): manifest["spec"]
        for manifest in manifests(example)
        if manifest["kind"] == "NetworkPolicy"
    }
    pods = [
        manifest["spec"]["template"]["metadata"]["labels"]
        for manifest in manifests(example)
        if manifest["kind"] in {"Deployment", "Job"} and "metadata" in manifest["spec"]["template"]
    ]
    deny = policies["deny"]
    reach = {
        labels["app.kubernetes.io/component"]: sorted(
            name
            for name, spec in policies.items()
            if "Egress" in spec["policyTypes"] and _selected([labels], spec["podSelector"])
        )
        for labels in pods
    }
    storage = [] if example == "small" else ["storage"]
    with_webhooks = {"deliverer": ["database", "deny", *storage, "webhooks"]} if example == "production" else {}

    assert _selected(pods, deny["podSelector"]) == pods
    assert set(deny["policyTypes"]) == {"Ingress", "Egress"}
    assert deny.keys() == {"podSelector", "policyTypes"}
    assert reach == {
        "api": ["database", "deny", *storage],
        "scheduler": ["database", "deny", *storage],
        "relay": ["broker", "database", "deny", *storage],
        "worker-interactive": ["broker", "database", "deny", *storage],
        "worker-bulk": ["broker", "database", "deny", *storage],
        "operator": ["database", "deny", *storage],
        "set-up": ["deny", "set-up"],
        **with_webhooks,
    }


def test_workers_are_scaled_by_their_own_queue(manifests: Callable[[str], list[Manifest]]) -> None:
    scaled = {
        manifest["spec"]["scaleTargetRef"]["name"]: manifest["spec"]["triggers"]
        for manifest in manifests("production")
        if manifest["kind"] == "ScaledObject"
    }
    deployments = {
        manifest["metadata"]["name"]: manifest["spec"]
        for manifest in manifests("production")
        if manifest["kind"] == "Deployment"
    }

    (due_webhooks,) = scaled.pop("packyard-deliverer")
    assert due_webhooks["type"] == "postgresql"
    assert scaled.keys() == {f"packyard-worker-{lane}" for lane in Lane}
    for lane in Lane:
        queue, due = scaled[f"packyard-worker-{lane}"]
        spec = deployments[f"packyard-worker-{lane}"]
        assert (queue["metadata"]["queueName"], queue["metadata"]["protocol"]) == (lane.queue, "http")
        assert f"lane = '{lane}'" in due["metadata"]["query"]
        assert spec["template"]["spec"]["containers"][0]["args"] == ["work", "--queue", lane]
        assert "replicas" not in spec, "Helm would set back what KEDA did"


def test_alerts_and_dashboard_come_as_the_files_are(manifests: Callable[[str], list[Manifest]]) -> None:
    (rule,) = (manifest for manifest in manifests("production") if manifest["kind"] == "PrometheusRule")
    (dashboard,) = (
        manifest for manifest in manifests("production") if manifest["metadata"]["name"] == "packyard-dashboard"
    )
    (alerts,) = read_manifests((CHART / "files" / "alerts.yaml").read_text(encoding="utf-8"))

    assert rule["spec"] == alerts
    assert json.loads(dashboard["data"]["packyard.json"]) == json.loads(
        (CHART / "files" / "dashboard.json").read_text(encoding="utf-8")
    )


_QUEUE_LENGTH: Final = """
autoscaling:
  metrics:
    - type: External
      external:
        metric:
          name: queue_length
          selector: {matchLabels: {queue: 'packyard.delete.{{ .lane }}'}}
        target: {type: AverageValue, averageValue: "20"}
"""


def test_other_metrics_scale_each_lane_by_its_own(tmp_path: Path) -> None:
    values = tmp_path / "metrics.yaml"
    values.write_text(_QUEUE_LENGTH, encoding="utf-8")
    queues = [
        manifest["spec"]["metrics"][0]["external"]["metric"]["selector"]["matchLabels"]["queue"]
        for manifest in read_manifests(render("small", "--values", str(values)))
        if manifest["kind"] == "HorizontalPodAutoscaler"
    ]

    assert sorted(queues) == sorted(lane.queue for lane in Lane)

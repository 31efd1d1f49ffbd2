"""Additions that the chart takes so that nobody has to fork it, and its ways in."""

import json
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ruamel.yaml import YAML

from tests.support.chart import CHART, parsed_command, pod_specs, read_manifests, render

_EXTRAS_OF_TWO: Final = """
commonLabels: {team: packages, tier: common}
podLabels: {tier: pod}
podAnnotations: {note: common, other: common}
extraEnv: [{name: HTTPS_PROXY, value: common}, {name: NO_PROXY, value: common}]
extraEnvFrom: [{configMapRef: {name: common}}]
extraVolumes: [{name: cache, emptyDir: {}}]
extraVolumeMounts: [{name: cache, mountPath: /cache}]
initContainers: [{name: first, image: common}]
sidecars: [{name: beside, image: common}]
affinity: {nodeAffinity: {common: true}}
revisionHistoryLimit: 7
minReadySeconds: 9
api:
  podLabels: {tier: api}
  podAnnotations: {note: api}
  extraEnv: [{name: HTTPS_PROXY, value: api}]
  extraEnvFrom: [{secretRef: {name: api}}]
  extraVolumes: [{name: cache, emptyDir: {medium: Memory}}]
  extraVolumeMounts: [{name: cache, mountPath: /cache, readOnly: true}]
  initContainers: [{name: first, image: api}]
  sidecars: [{name: beside, image: api}]
  affinity: {nodeAffinity: {api: true}}
  service:
    type: LoadBalancer
    annotations: {lb: internal}
    loadBalancerClass: example.com/lb
    trafficDistribution: PreferClose
"""


def test_what_is_added_for_one_process_wins_over_what_is_added_for_all(tmp_path: Path) -> None:
    values = tmp_path / "extras.yaml"
    values.write_text(_EXTRAS_OF_TWO, encoding="utf-8")
    made = read_manifests(render("small", "--values", str(values)))
    deployments = {
        found["metadata"]["labels"]["app.kubernetes.io/component"]: found["spec"]
        for found in made
        if found["kind"] == "Deployment"
    }
    (service,) = (found for found in made if found["kind"] == "Service")

    for component, deployment in deployments.items():
        who = "api" if component == "api" else "common"
        template, spec = deployment["template"], deployment["template"]["spec"]
        (process,) = (container for container in spec["containers"] if container["name"] == "packyard")
        variables = {entry["name"]: entry["value"] for entry in process["env"]}
        named = {kind: {one["name"]: one for one in spec[kind]} for kind in ("initContainers", "containers", "volumes")}
        assert template["metadata"]["labels"]["tier"] == ("api" if who == "api" else "pod")
        assert template["metadata"]["labels"]["team"] == "packages"
        assert template["metadata"]["annotations"].items() >= {"note": who, "other": "common"}.items()
        assert (variables["HTTPS_PROXY"], variables["NO_PROXY"]) == (who, "common")
        assert process["envFrom"] == [
            {"configMapRef": {"name": "common"}},
            *([{"secretRef": {"name": "api"}}] if who == "api" else []),
        ]
        assert named["initContainers"]["first"]["image"] == named["containers"]["beside"]["image"] == who
        assert named["volumes"]["cache"]["emptyDir"] == ({"medium": "Memory"} if who == "api" else {})
        (mount,) = (one for one in process["volumeMounts"] if one["name"] == "cache")
        assert mount.get("readOnly", False) == (who == "api")
        assert spec["affinity"]["nodeAffinity"] == {who: True}
        assert (deployment["revisionHistoryLimit"], deployment["minReadySeconds"]) == (7, 9)
    assert service["metadata"]["annotations"] == {"lb": "internal"}
    assert service["spec"]["loadBalancerClass"] == "example.com/lb"
    assert (service["spec"]["type"], service["spec"]["trafficDistribution"]) == ("LoadBalancer", "PreferClose")


def test_labels_of_everything_are_in_no_selector() -> None:
    plain, labelled = (
        {
            (found["kind"], found["metadata"]["name"], json.dumps(found["metadata"].get("annotations"))): found
            for found in read_manifests(render("production", *options))
        }
        for options in ((), ("--set", "commonLabels.team=packages"))
    )

    assert plain.keys() == labelled.keys()
    for name, found in labelled.items():
        assert found["metadata"]["labels"]["team"] == "packages", name
        for place in ("selector", "podSelector"):
            assert found.get("spec", {}).get(place) == plain[name].get("spec", {}).get(place), name


def test_a_name_that_looks_like_a_number_stays_a_name() -> None:
    names = (
        "storage.existingClaim",
        "api.priorityClassName",
        "trust.secret",
        "webhooks.existingSecret",
        "webhooks.key",
        "serviceAccount.name",
    )
    all_names = ",".join(f"{name}=1e3" for name in (*names, "nameOverride"))
    options = ("--namespace", "2024", "--set-string", all_names, "--set", "serviceAccount.create=false")
    for found in read_manifests(render("small", *options)):
        assert found["metadata"]["namespace"] == "2024"
        assert found["metadata"]["labels"]["app.kubernetes.io/name"] == "1e3"
        for _, spec in pod_specs([found]):
            assert spec.get("priorityClassName", "1e3") == "1e3"
            assert spec["serviceAccountName"] == "1e3"
            named = json.dumps(spec["volumes"])
            assert "1000" not in named
            assert {"secretName": "1e3"}.items() <= next(one for one in spec["volumes"] if one["name"] == "trust")[
                "secret"
            ].items()


def test_labels_of_an_object_are_unique_and_as_kubernetes_takes_them() -> None:
    tag = "_" + 61 * "a" + "-b"
    options = (
        "--set",
        f"image.tag={tag},commonLabels.release=all,metrics.serviceMonitor=true,metrics.labels.release=mine",
    )
    labels = {found["kind"]: found["metadata"]["labels"] for found in read_manifests(render("small", *options))}

    assert (labels["ServiceMonitor"]["release"], labels["Deployment"]["release"]) == ("mine", "all")
    assert labels["Deployment"]["app.kubernetes.io/version"] == 61 * "a"


def test_pages_and_api_have_one_way_in() -> None:
    ingress = ("api.ingress.enabled=true", "api.ingress.host=packages.example.com")
    route = ("api.httpRoute.enabled=true", "api.httpRoute.parentRefs[0].name=public", "api.httpRoute.hostnames={a.b}")
    made = {
        found["kind"]: found.get("spec", {})
        for found in read_manifests(render("small", *(word for one in (*ingress, *route) for word in ("--set", one))))
    }

    (path,) = made["Ingress"]["rules"][0]["http"]["paths"]
    assert (path["path"], path["backend"]["service"]) == ("/", {"name": "packyard-api", "port": {"name": "http"}})
    (rule,) = made["HTTPRoute"]["rules"]
    assert made["HTTPRoute"]["parentRefs"] == [{"name": "public"}]
    assert rule["backendRefs"] == [{"name": "packyard-api", "port": 80}]


def test_a_test_of_the_release_needs_a_token_and_a_project() -> None:
    pods = [
        found
        for options in (
            (),
            ("--set", "test.tokenSecret=token,test.project=acme/open"),
            ("--set", "test.project=1000000"),
        )
        for found in read_manifests(render("small", *options))
        if found["kind"] == "Pod"
    ]
    bare, full, numbered = (pod["spec"]["containers"][0] for pod in pods)

    assert [parsed_command(container["args"]) for container in (bare, full, numbered)] == [["try"]] * 3
    assert numbered["args"][2:] == ["--project", "1000000"]
    assert full["args"][2:] == ["--project", "acme/open", "--token-file", "/run/token/token"]
    assert all(pod["metadata"]["annotations"]["helm.sh/hook"] == "test" for pod in pods)


def test_the_servers_to_try_are_those_of_the_small_example() -> None:
    made = read_manifests((CHART / "examples" / "servers-to-try.yaml").read_text(encoding="utf-8"))
    secrets = {found["metadata"]["name"]: found["stringData"] for found in made if found["kind"] == "Secret"}
    secret = secrets["servers-to-try"]
    services = {
        found["metadata"]["name"]: {port["port"] for port in found["spec"]["ports"]}
        for found in made
        if found["kind"] == "Service"
    }
    values = YAML(typ="safe").load(CHART / "examples" / "small.yaml")
    for url, user in (
        (values["database"]["url"], "POSTGRES_USER"),
        (values["broker"]["url"], "RABBITMQ_DEFAULT_USER"),
        (values["broker"]["managementUrl"], "RABBITMQ_DEFAULT_USER"),
    ):
        parts = urlsplit(url)
        assert parts.port in services[parts.hostname or ""]
        assert (parts.username, parts.password) == (secret[user], secret["POSTGRES_PASSWORD"])
    assert secret["RABBITMQ_DEFAULT_PASS"] == secret["POSTGRES_PASSWORD"]
    claims = {found["metadata"]["name"] for found in made if found["kind"] == "PersistentVolumeClaim"}
    assert values["storage"]["existingClaim"] in claims

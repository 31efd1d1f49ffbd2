"""Where pods of the chart run, and how their number follows the load."""

from typing import Final

import pytest

from service.environment import PREFIX
from service.observing import metrics
from tests.support.chart import pod_specs, read_manifests, render

_SPREAD: Final = {"topology.kubernetes.io/zone": "ScheduleAnyway"}


def test_pods_are_spread_over_nodes_with_and_without_zones() -> None:
    for component, spec in pod_specs(read_manifests(render("production"))):
        if component == "set-up":
            continue
        spread = {one["topologyKey"]: one for one in spec["topologySpreadConstraints"]}
        apart = spec.get("affinity", {}).get("podAntiAffinity", {})
        (zone,) = (spread.pop(key) for key in _SPREAD)
        assert zone["whenUnsatisfiable"] == "ScheduleAnyway"
        if component in {"api", "relay", "scheduler"}:
            (host,) = spread.values()
            assert (host["topologyKey"], host["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "DoNotSchedule")
            assert host["nodeTaintsPolicy"] == "Honor", "a drained node would keep pods pending"
            assert not apart
        else:
            (preferred,) = apart["preferredDuringSchedulingIgnoredDuringExecution"]
            term = preferred["podAffinityTerm"]
            assert not spread, "of two soft constraints, a node without one of the labels is left out"
            assert term["topologyKey"] == "kubernetes.io/hostname"
            assert term["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == component


def test_a_cluster_whose_nodes_are_full_may_have_two_pods_on_one() -> None:
    options = ["--set", "scheduling.hosts=preferred", "--set", "scheduling.topologyKeys={kubernetes.io/hostname}"]
    for component, spec in pod_specs(read_manifests(render("small", *options))):
        if component != "set-up":
            assert "topologySpreadConstraints" not in spec
            assert "preferredDuringSchedulingIgnoredDuringExecution" in spec["affinity"]["podAntiAffinity"]


def test_no_mode_of_scaling_sets_the_number_of_workers_by_default() -> None:
    for mode in ("none", "hpa", "keda"):
        made = read_manifests(render("production", "--set", f"autoscaling.mode={mode}"))
        scaled = [found for found in made if found["kind"] == "Deployment" and "-worker-" in found["metadata"]["name"]]
        assert [found["spec"].get("replicas") for found in scaled] == [None, None], mode
    made = read_manifests(render("production", "--set", "autoscaling.mode=none,workers.bulk.replicas=3"))
    assert {found["spec"].get("replicas") for found in made if found["kind"] == "Deployment"} == {None, 1, 2, 3}


def test_an_autoscaler_of_the_chart_lets_keda_take_over() -> None:
    made = read_manifests(render("small", "--set", "api.autoscaling.enabled=true"))
    scalers = [found for found in made if found["kind"] == "HorizontalPodAutoscaler"]

    assert len(scalers) == 3
    for scaler in scalers:
        assert scaler["metadata"]["annotations"] == {"validations.keda.sh/hpa-ownership": "false"}


def test_keda_is_given_only_what_has_an_effect() -> None:
    made = read_manifests(render("production", "--set", "workers.bulk.minReplicas=0"))
    scaled = {found["metadata"]["name"]: found["spec"] for found in made if found["kind"] == "ScaledObject"}

    assert all(trigger["useCachedMetrics"] for spec in scaled.values() for trigger in spec["triggers"])
    assert {name: "cooldownPeriod" in spec for name, spec in scaled.items()} == {
        "packyard-worker-bulk": True,
        "packyard-worker-interactive": False,
        "packyard-deliverer": False,
    }


@pytest.mark.parametrize("by", ["cpu", "requests"])
def test_the_api_scales(by: str) -> None:
    made = read_manifests(render("small", "--set", f"api.autoscaling.enabled=true,api.autoscaling.by={by}"))
    (api,) = (found for found in made if found["kind"] == "Deployment" and found["metadata"]["name"] == "packyard-api")
    scalers = [
        found
        for found in made
        if found["kind"] in {"ScaledObject", "HorizontalPodAutoscaler"} and found["metadata"]["name"] == "packyard-api"
    ]
    services = {found["metadata"]["name"]: found["spec"] for found in made if found["kind"] == "Service"}

    assert "replicas" not in api["spec"]
    (scaler,) = scalers
    assert scaler["spec"]["scaleTargetRef"]["name"] == "packyard-api"
    if by == "requests":
        (trigger,) = scaler["spec"]["triggers"]
        assert trigger["metadata"]["valueLocation"] == metrics.HTTP_IN_PROGRESS._name
        assert trigger["metadata"]["url"] == "http://packyard-api-health.packyard.svc:9090/-/metrics"
        assert services["packyard-api-health"]["ports"][0]["port"] == 9090


@pytest.mark.parametrize(
    ("grace", "drain", "finish"),
    [(90, "5s", "80s"), (60, "1500ms", "53.5s"), (700, "1m", "635s"), (2_000_000, "5s", "1999990s")],
)
def test_requests_may_take_all_of_the_grace(grace: int, drain: str, finish: str) -> None:
    rendered = render("small", "--set", f"api.terminationGracePeriodSeconds={grace},api.drain={drain}")
    (api,) = (spec for component, spec in pod_specs(read_manifests(rendered)) if component == "api")
    environment = {entry["name"].removeprefix(PREFIX): entry["value"] for entry in api["containers"][0]["env"]}

    assert (api["terminationGracePeriodSeconds"], environment["DRAIN"], environment["FINISH_WITHIN"]) == (
        grace,
        drain,
        finish,
    )

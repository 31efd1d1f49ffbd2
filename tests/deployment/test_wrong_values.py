"""Values of the chart that would crash a pod are refused before there is one, with their path and the rule."""

import re
from typing import Final

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from tests.support.chart import CHART, ChartError, helm, read_schema, render

_BY_SCHEMA: Final[tuple[tuple[str, object], ...]] = (
    ("podSecurity.user", 0),
    ("autoscaling.mode", "vertical"),
    ("storage.url", "/var/lib/packyard"),
    ("storage.url", "s3://"),
    ("storage.url", "file://x"),
    ("database.keys.api", ""),
    ("broker.keys.relay", ""),
    ("webhooks.key", ""),
    ("settings.HOST", "127.0.0.1"),
    ("settings.GRACE_PERIOD", "soon"),
    ("settings.MAX_ATTEMPTS", 0),
    ("settings.LOG_LEVEL", "loud"),
    ("externalUrl", "packages.example.com"),
    ("image.digest", "latest"),
    ("fullnameOverride", "Packyard"),
    ("nameOverride", "Packyard"),
    ("setUp.hook", "pre-instal"),
    ("setUp.activeDeadlineSeconds", 20),
    ("podDisruptionBudget.maxUnavailable", 0),
    ("podDisruptionBudget.maxUnavailable", "0%"),
    ("api.resources.limits.memory", 64),
    ("relay.resources.requests.memory", "64Ki"),
    ("trust.key", ""),
    ("nameOverride", "a" * 64),
    ("commonLabels", {"team": "the packages"}),
    ("podLabels", {"team": "a" * 64}),
    ("scheduling.nodeSelector", {"-pool": "a"}),
    ("minReadySeconds", 600),
    ("image.repository", ""),
    ("image.repository", "registry:5000/packyard:1.0"),
    ("image.tag", "1.0@sha256:0"),
    ("database.existingSecret", "Packyard_database"),
    ("storage.url", "file:///my%20objects"),
    ("podSecurity.user", 3_000_000_000),
    ("api.priorityClassName", "First"),
    ("api.service.port", 70_000),
    ("api.ingress.host", "packages.example.com:443"),
    ("api.ingress.host", "10.0.0.5"),
    ("api.httpRoute.hostnames", ["https://packages.example.com"]),
    ("autoscaling.scaleDownAfterSeconds", 3_601),
    ("scheduling.topologyKeys", ["zone", "zone"]),
    ("extraEnv", [{"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
    ("extraEnv", [{"name": "A=b", "value": "c"}]),
    ("extraEnvFrom", [{"secretRef": {"name": "a"}, "configMapRef": {"name": "a"}}]),
    ("extraEnvFrom", [{"prefix": "A_"}]),
    ("extraVolumes", [{"name": "the cache"}]),
    ("extraVolumeMounts", [{"name": "cache", "mountPath": "/a:b"}]),
    ("sidecars", [{"name": "proxy"}]),
    ("initContainers", [{"name": "First", "image": "a"}]),
    ("networkPolicy.apiFrom", [{"ipBlock": {"cidr": "10.0.0.5"}}]),
    ("networkPolicy.apiFrom", [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]),
    ("networkPolicy.database.to", [{"ipBlock": {}}]),
)
"""Values that the schema refuses; the error has their path."""

_BY_TEMPLATE: Final = (
    ("worker.bulk.replicas=3", "'worker' not allowed"),
    ("storage.url=", "storage.url is needed"),
    ("storage.existingClaim=", "storage.url: file:///var/lib/packyard is in no volume: set storage.existingClaim"),
    ("storage.url=s3://objects", "storage.existingClaim: goes with file:///path"),
    ("database.url=", "database.existingSecret or database.url is needed"),
    ("broker.managementUrl=,autoscaling.mode=keda", "broker.managementUrl is needed"),
    ("settings.GRACE_PEROID=7d", "'GRACE_PEROID' not allowed"),
    ("settings.PORT=80", "'PORT' not allowed"),
    ("settings.DRAIN=9s", "'DRAIN' not allowed"),
    ("settings.FINISH_WITHIN=9s", "'FINISH_WITHIN' not allowed"),
    ("settings.STORAGE_URL=s3://other", "'STORAGE_URL' not allowed"),
    ("settings.DATABASE_URL=postgresql://other", "'DATABASE_URL' not allowed"),
    ("workers.bulk.minReplicas=9", "workers.bulk.minReplicas: 9 is more than workers.bulk.maxReplicas, 2"),
    ("deliverer.minReplicas=9", "deliverer.minReplicas: 9 is more than deliverer.maxReplicas, 4"),
    ("api.autoscaling.enabled=true,api.autoscaling.minReplicas=9", "api.autoscaling.minReplicas: 9 is more"),
    ("api.drain=2m", "at least 10 s more than api.drain, which is 2m"),
    ("trust.configMap=a,trust.secret=b", "trust.configMap and trust.secret are both set"),
    ("directory.existingSecret=a,directory.content=users: []", "one is enough"),
    ("directory.existingSecret=a,setUp.enabled=false", "directory needs setUp.enabled"),
    ("commonLabels.app\\.kubernetes\\.io/name=x", "commonLabels: app.kubernetes.io/name is the chart's own"),
    ("api.podLabels.app\\.kubernetes\\.io/component=x", "podLabels: app.kubernetes.io/component is the chart's own"),
    ("extraEnv[0].name=PACKYARD_PORT", "extraEnv: PACKYARD_PORT is the chart's own, and fixed"),
    ("relay.extraEnv[0].name=PACKYARD_BROKER_URL", "extraEnv: PACKYARD_BROKER_URL is the chart's own, set broker"),
    ("extraEnv[0].name=PACKYARD_LEASE,settings.LEASE=9s", "extraEnv: PACKYARD_LEASE is set by the chart already"),
    ("extraEnv[0].name=SSL_CERT_FILE,trust.secret=a", "extraEnv: SSL_CERT_FILE is set by the chart already"),
    ("api.extraVolumes[0].name=tmp", "extraVolumes: a pod of api has a volume tmp already"),
    ("setUp.extraVolumes[0].name=addresses", "extraVolumes: a pod of setUp has a volume addresses already"),
    (
        "workers.bulk.extraVolumeMounts[0].name=a,workers.bulk.extraVolumeMounts[0].mountPath=/a",
        "of workers.bulk has no volume a",
    ),
    ("storage.url=file:///tmp", "has one at /tmp already"),
    (
        "api.sidecars[0].name=packyard,api.sidecars[0].image=a",
        "sidecars and initContainers: a pod of api has a container packyard",
    ),
    (
        "setUp.initContainers[0].name=set-up,setUp.initContainers[0].image=a",
        "a pod of setUp has a container set-up already",
    ),
    ("api.resources.requests.memory=512Mi", "api.resources.requests.memory: 512Mi is more than the limit, 256Mi"),
    ("setUp.resources.requests.cpu=1500m", "setUp.resources.requests.cpu: 1500m is more than the limit, 1"),
    ("setUp.databasePasswordsSecret=a", "setUp.databasePasswordsSecret: goes with setUp.grantRights"),
    ("setUp.broker=false,setUp.brokerPasswordsSecret=a", "setUp.brokerPasswordsSecret: goes with setUp.broker"),
    (
        "api.service.loadBalancerClass=a",
        "api.service.loadBalancerClass: goes with type LoadBalancer only, which is ClusterIP",
    ),
    (
        "api.service.ipFamilyPolicy=SingleStack,api.service.ipFamilies={IPv4,IPv6}",
        "ipFamilies: with SingleStack there is one",
    ),
    ("database.url=postgresql://a\\,[::1]:6432/b", "database.url: port 6432 is not in networkPolicy.database.ports"),
    ("broker.url=amqp://a:b@c\\,d:5673/", "broker.url: port 5673 is not in networkPolicy.broker.ports"),
    ("broker.managementUrl=https://a:443/", "broker.managementUrl: port 443 is not in networkPolicy.management.ports"),
    (
        "storage.url=s3://a,storage.existingClaim=,settings.STORAGE_ENDPOINT=http://a",
        "STORAGE_ENDPOINT: port 80 is not in",
    ),
    ("commonLabels.helm\\.sh/chart=x", "commonLabels: helm.sh/chart is the chart's own"),
    (
        "metrics.serviceMonitor=true,metrics.labels.app\\.kubernetes\\.io/name=x",
        "metrics.labels: app.kubernetes.io/name is the chart's own",
    ),
    ("api.ingress.enabled=true", "api.ingress.host is needed"),
    ("api.httpRoute.enabled=true", "api.httpRoute.parentRefs is needed"),
)
"""Values that a template refuses, or the schema where their name is wrong, and what is said: path and rule."""


@pytest.mark.parametrize(("path", "value"), _BY_SCHEMA, ids=[f"{path}={value}" for path, value in _BY_SCHEMA])
def test_a_value_that_the_schema_refuses_is_named(path: str, value: object) -> None:
    values = YAML(typ="safe").load(CHART / "values.yaml")
    *places, name = path.split(".")
    inner = values
    for place in places:
        inner = inner[place]
    inner[name] = value
    validator = jsonschema_rs.validator_for(read_schema())

    found = {".".join(map(str, error.instance_path)) for error in validator.iter_errors(values)}
    assert found, path
    # Of a list or a mapping it is a part that is wrong.
    assert all(f"{place}.".startswith(f"{path}.") for place in found)


def test_helm_names_the_path_of_such_a_value() -> None:
    with pytest.raises(ChartError, match=re.escape("'/storage/url'")):
        render("small", "--set", "storage.url=file://x")


@pytest.mark.parametrize(("options", "message"), _BY_TEMPLATE, ids=[options for options, _ in _BY_TEMPLATE])
def test_a_value_that_a_template_refuses_is_named_with_the_rule(options: str, message: str) -> None:
    with pytest.raises(ChartError, match=re.escape(message)):
        render("small", "--set", options)


_A_CLUSTER: Final = ("--api-versions", "apps/v1/Deployment")


@pytest.mark.parametrize(
    ("options", "group", "message"),
    [
        ("autoscaling.mode=keda", "keda.sh/v1alpha1", "autoscaling.mode: keda needs keda.sh/v1alpha1"),
        (
            "api.autoscaling.enabled=true,api.autoscaling.by=requests",
            "keda.sh/v1alpha1",
            "api.autoscaling.by: requests needs keda.sh/v1alpha1",
        ),
        (
            "api.httpRoute.enabled=true,api.httpRoute.parentRefs[0].name=public",
            "gateway.networking.k8s.io/v1",
            "api.httpRoute needs gateway.networking.k8s.io/v1",
        ),
    ],
)
def test_a_cluster_without_a_kind_is_told_in_one_line(options: str, group: str, message: str) -> None:
    with pytest.raises(ChartError, match=re.escape(message)) as refused:
        render("small", "--set", options, *_A_CLUSTER)

    assert message in str(refused.value).splitlines()[0]
    assert render("small", "--set", options, *_A_CLUSTER, "--api-versions", group)
    assert render("small", "--set", options), "it renders without a cluster, which knows no kinds"


@pytest.mark.parametrize("release", ["1st", "my.packyard"])
def test_a_release_whose_name_no_service_can_have_is_told_to_take_another(release: str) -> None:
    options = ("--values", str(CHART / "examples" / "small.yaml"))
    with pytest.raises(ChartError, match=f"release {re.escape(release)}: a Service cannot have a name"):
        helm("template", release, *options)

    assert helm("template", release, *options, "--set", "fullnameOverride=packyard")

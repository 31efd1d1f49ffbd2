"""The Job of the chart that prepares the servers: what comes before it, what it runs, and when it ends."""

from pathlib import Path
from typing import Final

import pytest

from tests.support.chart import parsed_command, pod_specs, read_manifests, render

_ADMIN: Final = """\
# Lets an administrator in.
users:
  - {username: root, id: 1000001, admin: true, tokens: [{name: "first", token: not-secret-1, expires_at: 2030-01-01}]}
"""


@pytest.mark.parametrize(
    ("options", "source"),
    [
        (["--set-file", "directory.content={file}"], ("secret", "packyard-directory", "directory.yaml")),
        (["--set", "directory.existingSecret=mine"], ("secret", "mine", "directory.yaml")),
        (["--set", "directory.existingConfigMap=mine,directory.key=who"], ("configMap", "mine", "who")),
    ],
)
def test_the_set_up_applies_a_directory_in_the_end(
    tmp_path: Path, options: list[str], source: tuple[str, str, str]
) -> None:
    file = tmp_path / "directory.yaml"
    file.write_text(_ADMIN, encoding="utf-8")
    made = read_manifests(render("small", *(option.format(file=file) for option in options)))
    (job,) = (spec for component, spec in pod_specs(made) if component == "set-up")
    (applying,) = job["containers"]
    (volume,) = (volume for volume in job["volumes"] if volume["name"] == "directory")
    kind, name, key = source
    secrets = {found["metadata"]["name"]: found for found in made if found["kind"] == "Secret"}

    assert parsed_command(applying["args"]) == ["set-up"]
    assert "--directory" in applying["args"]
    (mounted,) = (mount["mountPath"] for mount in applying["volumeMounts"] if mount["name"] == "directory")
    assert f"{mounted}/{volume[kind]['items'][0]['path']}" in applying["args"]
    assert (volume[kind].get("secretName") or volume[kind]["name"], volume[kind]["items"][0]["key"]) == (name, key)
    assert ("packyard-directory" in secrets) == (name == "packyard-directory")
    if name in secrets:
        assert secrets[name]["stringData"] == {key: _ADMIN}
        assert "hook-succeeded" in secrets[name]["metadata"]["annotations"]["helm.sh/hook-delete-policy"]


def test_what_the_set_up_needs_comes_before_it_and_goes_with_the_uninstall() -> None:
    made = read_manifests(render("small", "--set-string", "directory.content=users: []"))
    hooks = [
        (int(notes.get("helm.sh/hook-weight", 0)), found["kind"], notes["helm.sh/hook"])
        for found in made
        if "helm.sh/hook" in (notes := found["metadata"].get("annotations") or {}) and notes["helm.sh/hook"] != "test"
    ]
    (job,) = (spec for component, spec in pod_specs(made) if component == "set-up")
    (policy,) = (
        found["spec"]
        for found in made
        if found["kind"] == "NetworkPolicy" and found["metadata"]["name"] == "packyard-set-up"
    )
    ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    (broom,) = (found["spec"] for found in made if found["kind"] == "Job" and found["spec"].get("completions") == 0)

    before = "pre-install,pre-upgrade"
    assert sorted(hooks, key=lambda hook: (hook[0], hook[1], hook[2] == before)) == [
        (-10, "NetworkPolicy", before),
        (-10, "ServiceAccount", before),
        (-5, "Secret", before),
        (-5, "Secret", before),
        (0, "Job", "post-delete"),
        (0, "Job", before),
    ]
    assert job["serviceAccountName"] == "packyard-set-up"
    assert ports == {53, 5432, 15671, 15672}
    assert broom["parallelism"] == 0, "it runs no pod"


def test_an_upgrade_that_turns_policies_off_lets_the_set_up_reach_its_servers() -> None:
    made = read_manifests(render("production", "--set", "networkPolicy.enabled=false"))
    (policy,) = (manifest for manifest in made if manifest["kind"] == "NetworkPolicy")

    assert policy["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "set-up"
    assert (policy["spec"]["policyTypes"], policy["spec"]["egress"]) == (["Egress"], [{}])


def test_the_set_up_ends_by_itself_within_the_usual_patience_of_helm() -> None:
    made = read_manifests(render("small"))
    (job,) = (found for found in made if found["kind"] == "Job" and found["spec"].get("completions") is None)
    (container,) = job["spec"]["template"]["spec"]["containers"]

    assert parsed_command(container["args"]) == ["set-up"]
    assert container["args"][1:3] == ["--for", "240s"]
    assert job["spec"]["activeDeadlineSeconds"] == 270, "Helm waits for 300 s"
    assert job["metadata"]["annotations"]["helm.sh/hook-output-log-policy"] == "hook-failed"
    assert "initContainers" not in job["spec"]["template"]["spec"], "Helm and kubectl print the log of containers only"

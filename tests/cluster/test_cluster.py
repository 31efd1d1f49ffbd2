"""The parts of the cluster that touch no machine: addresses, images, the choice of cases, and the report."""

import hashlib
import json
import re
import tarfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.cluster import yard
from tests.cluster.checks.check import CASES, VARIANTS, chosen, merged, variant_of
from tests.cluster.checks.guide import first_deletion
from tests.cluster.checks.plot import Sample, draw
from tests.cluster.checks.report import PAGE, UNTESTED, Counts, Outcome, as_json, as_table, from_json
from tests.cluster.checks.upgrading import EARLIER, MIGRATIONS, git, has_earlier
from tests.cluster.machines import ClusterError
from tests.cluster.parts import (
    PARTS,
    BuildError,
    ProgramImage,
    archive,
    kubernetes_part,
    kubernetes_parts,
    part_names,
    pinned_version,
)
from tests.cluster.plan import IPV4, IPV6, Plan
from tests.cluster.up import describe
from tests.support.chart import CHART
from tests.support.paths import ROOT


def test_nodes_have_addresses_of_their_own() -> None:
    nodes = Plan(Path("/folder"), Path("/build"), count=3).nodes
    assert [(node.name, node.address, node.pods) for node in nodes] == [
        ("node-1", "198.18.0.2", ["10.244.1.0/24"]),
        ("node-2", "198.18.0.3", ["10.244.2.0/24"]),
        ("node-3", "198.18.0.4", ["10.244.3.0/24"]),
    ]
    assert IPV4.network.is_private


def test_nodes_have_addresses_of_each_family() -> None:
    plan = Plan(Path("/folder"), Path("/build"), family="dual")
    (node, _) = plan.nodes
    assert node.addresses == ["198.18.0.2", "fd98:18::2"]
    assert node.pods == ["10.244.1.0/24", "fd98:244:0:1::/64"]
    assert plan.service_ranges == "10.96.0.0/16,fd98:96::/112"
    alone = Plan(Path("/folder"), Path("/build"), family="ipv6")
    assert (alone.beside, alone.dns) == ("[fd98:18::1]", "fd98:96::a")
    assert yard.addresses(alone) == ["http://[fd98:18::2]:30080"]
    assert IPV6.network.is_private


def test_each_part_is_pinned_and_kubernetes_is_the_version_that_is_reported() -> None:
    assert part_names()[:2] == ["kubernetes", "etcd"]
    for part in part_names():
        assert (PARTS / part / "go.sum").exists()
        assert pinned_version(part, "k8s.io/kubernetes") == ("v1.36.3" if part == "kubernetes" else "unknown")


def test_an_older_kubernetes_takes_the_place_of_the_newest() -> None:
    assert kubernetes_part("") == kubernetes_part("v1.36") == "kubernetes"
    older = kubernetes_part("v1.35")
    assert part_names(older) == [older, *part_names()[1:]]
    for minor, part in kubernetes_parts().items():
        text = (PARTS / part / "go.mod").read_text(encoding="utf-8")
        assert (PARTS / part / "go.sum").exists()
        assert set(re.findall(r"=> k8s.io/\S+ v0(\.\d+)", text)) == {minor.removeprefix("v1")}
    with pytest.raises(BuildError, match=r"no Kubernetes v1\.2 can be built: KUBERNETES is one of .*v1\.35, v1\.36"):
        kubernetes_part("v1.2")
    plan = Plan(Path("/folder"), Path("/build"), kubernetes=older)
    assert variant_of(plan) == "Kubernetes v1.35"
    assert chosen("", VARIANTS[variant_of(plan)]) == chosen("quick")
    assert "make cluster-check ONLY=quick KUBERNETES=v1.35" in describe(plan)


def test_the_chart_allows_the_oldest_kubernetes_that_passed_the_quick_cases() -> None:
    rows = PAGE.read_text(encoding="utf-8")
    passed = {
        minor
        for minor in kubernetes_parts()
        if all(
            re.search(rf"^\| {case}, Kubernetes {re.escape(minor)} .* passed \|$", rows, re.MULTILINE)
            for case in chosen("quick")
        )
    }
    oldest = min(passed, key=lambda minor: int(minor.rpartition(".")[2]))
    assert YAML(typ="safe").load(CHART / "Chart.yaml")["kubeVersion"] == f">={oldest.removeprefix('v')}.0-0"


def test_an_image_is_one_layer_with_one_program(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"machine code")
    archive(ProgramImage("a/b:1", "part", "program", "/there"), tmp_path / "program", tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as image:
        files = {entry.name: image.extractfile(entry) for entry in image}
        contents = {name: file.read() for name, file in files.items() if file}
    (manifest,) = json.loads(contents["manifest.json"])
    config = json.loads(contents[manifest["Config"]])
    assert manifest["RepoTags"] == ["a/b:1"]
    assert config["config"] == {"User": "65532:65532", "Entrypoint": ["/there"]}
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(contents['layer.tar']).hexdigest()}"]


def test_cases_are_chosen_by_name_and_run_in_one_order() -> None:
    assert chosen("drain,install") == ["install", "drain"]
    assert chosen("quick") == ["install", "delete", "rollout", "drain"]
    assert set(chosen("quick")) < set(chosen(""))
    with pytest.raises(ClusterError, match="no case is called upgrading"):
        chosen("upgrading")


def test_runs_with_another_helm_have_rows_of_their_own() -> None:
    assert chosen("", VARIANTS["Helm 3"]) == ["install", "rollout", "modes"]
    ran = [Outcome("install", 9), Outcome("install, Helm 3", 8), Outcome("delete, Helm 3", 7), Outcome("earlier", 6)]
    rows = {outcome.case: outcome for outcome in merged(ran[:1], ran[1:])}
    assert [*rows][: len(CASES)] == [*CASES]
    assert rows.keys() - CASES.keys() >= {"rollout, Helm 3", "delete, Helm 3", "install, IPv6", "delete, dual-stack"}
    assert "earlier" not in rows
    assert [rows[name].seconds for name in ("install", "install, Helm 3", "rollout, Helm 3")] == [9, 8, 0]


@pytest.mark.skipif(not has_earlier(), reason="a shallow clone has no earlier commit")
def test_an_upgrade_begins_at_an_older_schema() -> None:
    listed = git("ls-tree", "--name-only", f"{EARLIER}:{MIGRATIONS}").split()
    earlier = [name[:4] for name in listed if name[0].isdigit() and name.endswith(".py")]
    current = {file.name[:4] for file in (ROOT / MIGRATIONS).glob("[0-9]*.py")}
    assert len(set(earlier)) == len(earlier), "two migrations of one number cannot be applied"
    assert max(earlier) < max(current)


def test_the_guide_has_ten_lines_from_an_empty_cluster_to_the_first_deletion() -> None:
    lines = first_deletion(PAGE.read_text(encoding="utf-8"))
    assert len(lines) == 10
    assert lines[0].startswith("kind create cluster")
    version = YAML(typ="safe").load(CHART / "Chart.yaml")["appVersion"]
    assert all(f"packyard:{version}" in line for line in lines[1:3])
    assert any("--request DELETE" in line for line in lines)


def test_counts_that_differ_are_problems() -> None:
    assert not Counts(requests=20, accepted=10, told=10, gone=10).problems
    counts = Counts(requests=20, failed=1, accepted=9, told=8, gone=7, failures=["PUT: 503"])
    assert counts.problems == [
        "1 of 20 requests failed: PUT: 503",
        "8 of 9 deletions have an event",
        "7 of 9 deletions removed their object",
    ]
    assert Counts().problems == ["no deletion was accepted"]


def test_a_report_can_be_read_again() -> None:
    counts = Counts(requests=4, accepted=2, told=2, gone=2, longest_gap_s=0.31)
    outcomes = [
        Outcome("drain", 61.2, counts, {"node-1 s": 30}),
        Outcome("scale", 5.0, problems=["no 4 workers were ready"], samples=[[0.0, 9, 1]]),
        Outcome("reach", 0, problems=[UNTESTED]),
    ]
    read, versions = from_json(as_json(outcomes, {"Kubernetes": "v1.36.3"}))
    assert as_table(read) == as_table(outcomes)
    assert [outcome.samples for outcome in read] == [outcome.samples or [] for outcome in outcomes]
    assert versions == {"Kubernetes": "v1.36.3"}
    assert as_table(read).splitlines()[2:] == [
        "| drain | 61 | 4 | 0 | 2 | 2 | 2 | 0.3 | passed |",
        "| scale | 5 |  |  |  |  |  |  | failed |",
        "| reach |  |  |  |  |  |  |  | untested |",
        "",
        "- drain: node-1 s 30",
        "- scale failed: no 4 workers were ready",
    ]


def test_the_number_of_workers_is_drawn_as_stairs_beside_the_backlog() -> None:
    plot = draw([Sample(0, 300, 1), Sample(10, 150, 3), Sample(20, 0, 3)])
    lines = [line.split('"')[1].split() for line in plot.splitlines() if line.startswith("<polyline")]
    assert lines == [
        ["70.0,40.0", "360.0,140.0", "650.0,240.0"],
        ["70.0,173.3", "360.0,173.3", "360.0,40.0", "650.0,40.0", "650.0,40.0"],
    ]

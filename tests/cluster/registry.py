"""The registry that the nodes pull from, and the images in it; what was pushed once stays for the next start."""

import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.cluster.machines import ClusterError, command_in, start, wait_for
from tests.cluster.parts import IMAGES, ProgramImage, archive, build_pause, built_folder
from tests.cluster.plan import BESIDE, REGISTRY_PORT, Plan
from tests.support.paths import ROOT

LOCAL: Final = f"127.0.0.1:{REGISTRY_PORT}"
"""The registry, as programs beside the nodes reach it."""

_PATIENCE_S: Final = 30
_DRIVER: Final = "overlay"
"""The nodes need it, too."""

_IN_IMAGE: Final = ("schemas", "service", "workers", "requirements", "pyproject.toml", "README.md", "deploy/Dockerfile")


def start_registry(plan: Plan) -> None:
    """Start the registry beside the nodes, and push the images of the parts that it lacks."""
    settings = plan.folder / "registry.yaml"
    storage = f"storage: {{filesystem: {{rootdirectory: {plan.build / 'registry'}}}, delete: {{enabled: true}}}}"
    settings.write_text(f'version: 0.1\n{storage}\nhttp: {{addr: ":{REGISTRY_PORT}"}}\n', encoding="utf-8")
    start(command_in(BESIDE, "docker-registry", "serve", settings), plan.logs / "registry.log")
    wait_for(_serves, "the registry does not answer", _PATIENCE_S)
    for image in IMAGES:
        if image.part not in plan.without:
            push_part(plan, image)


def push_packyard(plan: Plan, tree: Path = ROOT) -> str:
    """Build Packyard's image of *tree* unless that content was pushed before; return its tag.

    Steps are kept, so that another tree with the same requirements does not install them anew.
    """
    tag = content_tag(tree)
    with (plan.build / "pushing").open("w") as lock:
        # An image has the same name for all trees until it is pushed.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _has(plan, "packyard", tag):
            _build_and_push(plan, tree, tag)
    return tag


def _build_and_push(plan: Plan, tree: Path, tag: str) -> None:
    sys.stdout.write("Building the image of Packyard\n")
    driver = ("env", f"STORAGE_DRIVER={_DRIVER}", f"SOURCE={tree}")
    check([*driver, ROOT / "deploy/local/build-image.sh", plan.build / "layers", "--layers"])
    target = f"docker://{LOCAL}/packyard:{tag}"
    check(command_in(BESIDE, *in_store(plan), "push", "--quiet", "--tls-verify=false", "localhost/packyard", target))


def in_store(plan: Plan) -> Sequence[str | Path]:
    """Return the beginning of a command of buildah about the images that were built for this cluster."""
    folder = plan.build / "layers"
    return ("buildah", "--storage-driver", _DRIVER, "--root", folder / "storage", "--runroot", folder / "run")


def content_tag(tree: Path) -> str:
    """Return a tag for all that the image is made of; the same content has the same tag."""
    command = ["git", "ls-files", "-z", "--", *_IN_IMAGE]
    listed = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True).stdout
    digest = hashlib.sha256()
    for name in sorted(filter(None, listed.split("\0"))):
        if (tree / name).is_file():
            digest.update(name.encode() + b"\0" + (tree / name).read_bytes())
    return digest.hexdigest()[:16]


def push_part(plan: Plan, image: ProgramImage) -> None:
    """Push the image of a part that is built, unless it was pushed before."""
    folder = build_pause(plan.build) if image.part == "pause" else built_folder(image.part, plan.build)
    program = folder / image.program
    pushed = plan.build / "pushed" / f"{image.name.replace('/', '_')}-{folder.name}"
    if pushed.exists():
        return
    pushed.parent.mkdir(exist_ok=True)
    draft = plan.build / f"{image.program}.tar"
    archive(image, program, draft)
    source, target = f"docker-archive:{draft}", f"docker://{LOCAL}/{image.name}"
    check(
        command_in(BESIDE, "skopeo", "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false", source, target)
    )
    draft.unlink()
    pushed.touch()


def _has(plan: Plan, name: str, tag: str) -> bool:
    repositories = plan.build / "registry" / "docker" / "registry" / "v2" / "repositories"
    return (repositories / name / "_manifests" / "tags" / tag).exists()


def _serves() -> bool:
    command = command_in(BESIDE, "curl", "-sf", f"http://{LOCAL}/v2/")
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def check(command: Sequence[str | Path]) -> None:
    """Run a command.

    Raises:
        ClusterError: it failed; the text has the end of its errors.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(map(str, command))} failed: {done.stderr.strip()[-2000:]}")

"""Images of the servers that the guide names, made of Debian's packages; no node has a way to the real ones."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.cluster.machines import ClusterError, command_in
from tests.cluster.plan import BESIDE, Node, Plan
from tests.cluster.registry import LOCAL, check, in_store, push_packyard

_FOLDERS: Final = Path(__file__).with_name("stand-ins")
_NAMES: Final = {"postgres": "library/postgres:17", "rabbitmq": "library/rabbitmq:4-management"}
_PACKYARD: Final = "library/packyard"


def push_stand_ins(plan: Plan) -> None:
    """Build both images and push them by the names of the real ones, unless the same were pushed before."""
    for folder, name in _NAMES.items():
        files = sorted((_FOLDERS / folder).iterdir())
        digest = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:12]
        pushed = plan.build / "pushed" / f"{folder}-{digest}"
        if not pushed.exists():
            sys.stdout.write(f"Building an image of {folder}\n")
            built = f"localhost/stand-in-{folder}"
            options = ("--layers", "--isolation", "chroot", "--format", "docker", "--pull-never", "--quiet")
            check([*in_store(plan), "build", *options, "--tag", built, _FOLDERS / folder])
            target = f"docker://{LOCAL}/{name}"
            check(command_in(BESIDE, *in_store(plan), "push", "--quiet", "--tls-verify=false", built, target))
            pushed.touch()


def name_packyard(plan: Plan, tag: str) -> None:
    """Give the image of this tree the short name that the chart has by default; a node forgets an older one."""
    source, target = f"docker://{LOCAL}/packyard:{push_packyard(plan)}", f"docker://{LOCAL}/{_PACKYARD}:{tag}"
    plain = ("--insecure-policy", "--src-tls-verify=false", "--dest-tls-verify=false")
    check(command_in(BESIDE, "skopeo", "copy", "--quiet", *plain, source, target))
    for node in plan.nodes:
        _forget(node, f"docker.io/{_PACKYARD}:{tag}")


def _forget(node: Node, image: str) -> None:
    done = subprocess.run(
        command_in(node.name, "ctr", "--namespace", "k8s.io", "images", "remove", image),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ClusterError(f"{node.name} keeps the image {image}: {done.stderr.strip()}")

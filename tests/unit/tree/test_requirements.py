"""The pinned requirements: one pin of a thing in all of them."""

import re
from typing import Final

from tests.support.paths import ROOT

_FOLDER: Final = ROOT / "requirements"
_PIN: Final = re.compile(r"^([a-z0-9-]+==\S+)(.*\n(?:    --hash.*\n)*)", re.MULTILINE)


def test_what_installs_first_is_what_the_environment_pins() -> None:
    pins = {name: set(_PIN.findall((_FOLDER / name).read_text(encoding="utf-8"))) for name in ("uv.txt", "dev.txt")}

    assert len(pins["uv.txt"]) == 1
    assert pins["uv.txt"] <= pins["dev.txt"]

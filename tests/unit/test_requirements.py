"""The pinned requirements: one pin of a thing in all of them."""

import re
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parents[2] / "requirements"
_PIN: Final = re.compile(r"^([a-z0-9-]+==\S+)(.*\n(?:    --hash.*\n)*)", re.MULTILINE)


def test_what_installs_first_is_what_the_environment_pins() -> None:
    pins = {name: set(_PIN.findall((_FOLDER / name).read_text(encoding="utf-8"))) for name in ("uv.txt", "dev.txt")}

    assert len(pins["uv.txt"]) == 1
    assert pins["uv.txt"] <= pins["dev.txt"]

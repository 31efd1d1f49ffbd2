"""Writes the last report into the guide: `python -m tests.cluster.checks.page .cluster/report.json`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.cluster.checks.report import Outcome, as_table, from_json
from tests.support.paths import ROOT

PAGE: Final = ROOT / "docs" / "guides" / "kubernetes.md"
_BEGIN: Final = "<!-- generated from the last report of `make cluster-check` -->\n"
_END: Final = "<!-- end of generated -->\n"


def filled(page: str, outcomes: Sequence[Outcome], versions: Mapping[str, str]) -> str:
    """Return the page with the report between its marks."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    rows = ["| with | version |", "| --- | --- |", *(f"| {name} | {version} |" for name, version in versions.items())]
    return f"{before}{_BEGIN}\n{as_table(outcomes)}\n{chr(10).join(rows)}\n{_END}{after}"


if __name__ == "__main__":
    report = from_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), *report), encoding="utf-8")

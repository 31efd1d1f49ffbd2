"""The findings of a check: cases with their counts, as JSON and as a table.

`python -m tests.cluster.checks.report .cluster/report.json` writes the last report into the guide, with its plot.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.cluster.checks.plot import Sample, draw
from tests.support.paths import ROOT

PAGE: Final = ROOT / "docs" / "guides" / "kubernetes.md"
PLOT: Final = ROOT / "docs" / "images" / "scaling.svg"
UNTESTED: Final = "untested"
"""The only problem of a case that never ran, and the version of a part that is not there."""

_BEGIN: Final = "<!-- generated from the last report of `make cluster-check` -->\n"
_END: Final = "<!-- end of generated -->\n"
_COUNTS: Final = ("requests", "failed", "accepted", "told", "gone")
_HEADINGS: Final = ("case", "seconds", *_COUNTS, "longest gap s", "result")


@dataclass(frozen=True, slots=True)
class Counts:
    """The requests of a load, and the effects of its deletions."""

    requests: int = 0
    failed: int = 0
    accepted: int = 0
    """Deletions that the API accepted."""

    told: int = 0
    """Those of them whose `package.destroyed` the feed has."""

    gone: int = 0
    """Those of them whose objects are no more in the bucket."""

    longest_gap_s: float = 0.0
    """The longest time without a good answer."""

    longest_event_gap_s: float = 0.0
    """The longest time without a new event, while deletions were asked for."""

    failures: Sequence[str] = ()
    """The first failures, a line each."""

    def __add__(self, other: "Counts") -> "Counts":
        """Return the counts of both loads."""
        summed = {name: getattr(self, name) + getattr(other, name) for name in _COUNTS}
        return Counts(
            **summed,
            longest_gap_s=max(self.longest_gap_s, other.longest_gap_s),
            longest_event_gap_s=max(self.longest_event_gap_s, other.longest_event_gap_s),
            failures=[*self.failures, *other.failures],
        )

    @property
    def problems(self) -> list[str]:
        """The promises that these counts break."""
        broken = [f"{self.failed} of {self.requests} requests failed: {'; '.join(self.failures)}"] * bool(self.failed)
        broken += [f"{self.told} of {self.accepted} deletions have an event"] * (self.told != self.accepted)
        broken += [f"{self.gone} of {self.accepted} deletions removed their object"] * (self.gone != self.accepted)
        return broken + ["no deletion was accepted"] * (not self.accepted)


def total(counts: Sequence[Counts]) -> Counts:
    """Return the counts of loads that ran one after the other."""
    return Counts(
        **{name: sum(getattr(one, name) for one in counts) for name in _COUNTS},
        longest_gap_s=max(one.longest_gap_s for one in counts),
        longest_event_gap_s=max(one.longest_event_gap_s for one in counts),
        failures=[failure for one in counts for failure in one.failures],
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case: its seconds, the counts of its load if it had one, and what was wrong."""

    case: str
    seconds: float
    counts: Counts | None = None
    figures: Mapping[str, float | str] = field(default_factory=dict)
    problems: Sequence[str] = ()
    samples: Sequence[Sequence[float]] = ()
    """Moments to plot, each the values of a `Sample`."""

    @property
    def is_good(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems


def as_json(outcomes: Sequence[Outcome], versions: Mapping[str, str]) -> str:
    """Return the report for programs."""
    cases = [{**asdict(outcome), "passed": outcome.is_good} for outcome in outcomes]
    return json.dumps({"versions": dict(versions), "cases": cases}, indent=2) + "\n"


def from_json(text: str) -> tuple[list[Outcome], dict[str, str]]:
    """Return the cases and versions of a report."""
    found: dict[str, Any] = json.loads(text)
    outcomes = []
    for case in found["cases"]:
        counts = Counts(**case["counts"]) if case["counts"] else None
        outcomes.append(
            Outcome(**{name: value for name, value in case.items() if name != "passed"} | {"counts": counts})
        )
    return outcomes, found["versions"]


def as_table(outcomes: Sequence[Outcome]) -> str:
    """Return the report as a table of Markdown, with the further figures and problems below."""
    rows = [_HEADINGS, tuple("---" for _ in _HEADINGS), *(_row(outcome) for outcome in outcomes)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    further = [
        f"- {outcome.case}: {', '.join(f'{name} {value}' for name, value in outcome.figures.items())}"
        for outcome in outcomes
        if outcome.figures
    ]
    wrong = [
        f"- {outcome.case} failed: {problem.partition(chr(10))[0]}"
        for outcome in outcomes
        for problem in outcome.problems
        if outcome.problems != [UNTESTED]
    ]
    return "\n".join([*lines, "", *further, *wrong]).rstrip() + "\n"


def filled(page: str, outcomes: Sequence[Outcome], versions: Mapping[str, str]) -> str:
    """Return the page with the report between its marks."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    rows = ["| with | version |", "| --- | --- |", *(f"| {name} | {version} |" for name, version in versions.items())]
    return f"{before}{_BEGIN}\n{as_table(outcomes)}\n{chr(10).join(rows)}\n{_END}{after}"


def _row(outcome: Outcome) -> tuple[str, ...]:
    counts = outcome.counts
    counted = [str(getattr(counts, name)) if counts else "" for name in _COUNTS]
    gap = f"{counts.longest_gap_s:.1f}" if counts else ""
    if outcome.problems == [UNTESTED]:
        return (outcome.case, "", *counted, gap, UNTESTED)
    return (outcome.case, f"{outcome.seconds:.0f}", *counted, gap, "passed" if outcome.is_good else "failed")


if __name__ == "__main__":
    report = from_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), *report), encoding="utf-8")
    for outcome in report[0]:
        if outcome.samples:
            samples = [Sample(seconds, int(left), int(ready)) for seconds, left, ready in outcome.samples]
            PLOT.write_text(draw(samples), encoding="utf-8")

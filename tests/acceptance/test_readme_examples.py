"""Every `curl` and `packyard` of the README, run as it is written, top to bottom, in one shell as a reader would.

Of the README's blocks of shell the lines run that begin with `curl`, with a command about deletions or the storage, or
set a variable; only the address is another one. A comment that begins with a status, such as `# 204; gone` or
`# status 1; too late`, says how the example ends; else it is with success.
"""

import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.support.demo import demo_yard
from tests.support.servers import Servers
from tests.support.yard import Yard
from workers.stack.processes import inherited

_ROOT: Final = Path(__file__).parents[2]
_README: Final = _ROOT / "README.md"
_ADDRESS: Final = "http://127.0.0.1:8080"
_PATIENCE_S: Final = 120

_FENCED: Final = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINE: Final = re.compile(r"(?:[^\n]*\\\n)*[^\n]*\n")
_RUNS: Final = re.compile(r"curl |(export )?\w+=|packyard (deletions|check) ?")
_COMMENT: Final = re.compile(r"(^|\s)#.*")
_SAYS: Final = re.compile(r"\s# *(?:status (?P<exit>\d)|(?P<http>\d{3}))\b")

# Take the place of the programs: they write down where in the README they are, and with which status they ended.
_PROGRAMS: Final = r"""
set -eu
curl() {
    local ended=0 trace="trace.$BASHPID"
    command curl --verbose --no-progress-meter --max-time 20 "$@" 2>"$trace" || ended=$?
    echo "$at $(sed -n 's,.*< HTTP/[0-9.]* \([0-9]*\).*,\1,p' "$trace" | tail -1)" >>answers
    return "$ended"
}
packyard() {
    local ended=0
    command packyard "$@" || ended=$?
    echo "$at $ended" >>answers
}
"""


@dataclass(frozen=True, slots=True)
class Example:
    """One line of the README, with those that it goes on in."""

    number: int
    command: str

    @property
    def runs(self) -> bool:
        """Whether it is a line that we run."""
        return bool(_RUNS.match(self.command))

    @property
    def calls(self) -> bool:
        """Whether curl is called in it."""
        return bool(re.search(r"\bcurl\s", _COMMENT.sub("", self.command)))

    @property
    def commands(self) -> bool:
        """Whether it is a command of ours."""
        return bool(re.match(r"(\w+=\$\()?packyard ", self.command))

    @property
    def expected(self) -> str:
        """The status of the answer, as a pattern."""
        says = _SAYS.search(self.command)
        usual = "0" if self.commands else "2.."
        return says["exit"] or says["http"] if says else usual


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Yard]:
    """The yard of `make run`; its packages have the names of the real ones, and little in them."""
    distributions = tmp_path_factory.mktemp("distributions")
    for pinned in (_ROOT / "requirements").glob("demo*.txt"):
        for name, version in re.findall(r"^([\w-]+)==(\S+)", pinned.read_text(encoding="utf-8"), re.MULTILINE):
            (distributions / f"{name}-{version}-py3-none-any.whl").write_text(f"{name} {version}", encoding="utf-8")
    async with demo_yard(servers, tmp_path_factory.mktemp("yard"), distributions=distributions) as made:
        yield made


def test_every_example_is_one_that_runs() -> None:
    calls = [example for example in _examples() if example.calls]
    assert calls
    assert [example for example in calls if not example.runs] == []


def test_every_example_is_answered_as_it_says(yard: Yard, tmp_path: Path) -> None:
    examples = [example for example in _examples() if example.runs]
    done = _run(_script(examples).replace(_ADDRESS, yard.base_url), tmp_path, yard.environment)

    answers = _read_answers(tmp_path / "answers")
    for example in examples:
        for answer in answers.get(example.number, []):
            said = f"README.md:{example.number}: {example.command}\nwas answered with {answer}: {done.stdout[-2_000:]}"
            assert re.fullmatch(example.expected, answer), said
    assert done.returncode == 0, f"{done.stdout[-2_000:]}\n{done.stderr[-2_000:]}"
    assert set(answers) == {example.number for example in examples if example.calls or example.commands}


def test_an_example_that_fails_is_noticed(yard: Yard, tmp_path: Path) -> None:
    lines = (f"ID=$(curl -s {_ADDRESS}/api/v4/nothing | cut -c 1)", f"curl -fsS {_ADDRESS}/api/v4/nothing")
    examples = [Example(number, line) for number, line in enumerate(lines, 1)]

    done = _run(_script(examples).replace(_ADDRESS, yard.base_url), tmp_path, {})

    assert done.returncode == 22
    assert _read_answers(tmp_path / "answers") == {1: ["404"], 2: ["404"]}


def _examples() -> Iterator[Example]:
    text = _README.read_text(encoding="utf-8")
    for block in _FENCED.finditer(text):
        number = text.count("\n", 0, block.start(3)) + 1
        for line in _LINE.findall(textwrap.dedent(block[3])):
            example = Example(number, line.rstrip("\n"))
            # Of other blocks only what calls curl counts: it should stand in one of shell.
            if block[2] == "sh" or example.calls:
                yield example
            number += line.count("\n")


def _script(examples: list[Example]) -> str:
    return _PROGRAMS + "".join(f"at={example.number}\n{example.command}\n" for example in examples)


def _run(script: str, folder: Path, settings: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    shutil.copy(_README, folder)  # a file to upload
    return subprocess.run(
        ["bash", "-c", script],
        env={"PATH": f"{Path(sys.executable).parent}:{inherited()['PATH']}", "HOME": str(folder), **settings},
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
    )


def _read_answers(file: Path) -> dict[int, list[str]]:
    answers: dict[int, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        number, status = line.split(" ")
        answers.setdefault(int(number), []).append(status)
    return answers

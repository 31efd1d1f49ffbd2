"""The lines of shell in the documents, run as they are written, page by page, in one shell each as a reader would.

The lines that run call curl, our own commands or the tools of PostgreSQL, or set a
variable; only the address is another one. The page says with a comment how a line ends, such as `# 204; gone` or
`# status 1; too late`; else it is with success. A block with a file's name after its language is that file. Lines that
need a cluster or Docker, start the installation or never end are listed here, and all others are an error.

A block of text or JSON below one of shell is its output, and the real one has to be like it.
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
from tests.support.paths import ROOT
from tests.support.servers import Servers
from tests.support.shown_outputs import FENCED, IN_CLUSTER, is_like, shown_outputs
from tests.support.yard import Yard
from workers.stack.postgres import find_programs
from workers.stack.processes import inherited

_README: Final = ROOT / "README.md"
_DOCS: Final = ROOT / "docs"
_NOT_HERE: Final = {"reference", "contributing", "decisions", "explanation"}
"""Folders of pages without commands to follow."""
_PAGES: Final = (
    _README,
    _DOCS / "tutorial.md",
    *(
        page
        for page in sorted(_DOCS.glob("*/*.md"))
        if page.parent.name not in _NOT_HERE and page.name != "runbook.md"  # that one has a test of its own
    ),
)
_ADDRESS: Final = "http://127.0.0.1:8080"
_PATIENCE_S: Final = 120

_LINE: Final = re.compile(r"(?:[^\n]*\\\n)*[^\n]*\n")
_RUNS: Final = re.compile(
    r"curl |(export )?\w+=|echo |mkdir |tar |pg_dump |pg_restore |createdb "
    r"|packyard (deletions|check|directory|import|retention|subscribers|events tail .*--count) ?"
)
_RUNS_ELSEWHERE: Final = re.compile(r"make |docker |kubectl |helm |packyard\(\) |packyard (roles|migrate)")
_COMMENT: Final = re.compile(r"(^|\s)#.*")
_SAYS: Final = re.compile(r"\s# *(?:status (?P<exit>\d)|(?P<http>\d{3}))\b")

# Take the place of the programs: they write down where in the page they are, and with which status they ended.
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
    """One line of a page, with those that it goes on in."""

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
        return bool(re.search(r"(^|\s|\$\()packyard ", _COMMENT.sub("", self.command)))

    @property
    def answers(self) -> bool:
        """Whether it has an answer that is written down."""
        return self.calls or self.commands

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
    for pinned in (ROOT / "requirements").glob("demo*.txt"):
        for name, version in re.findall(r"^([\w-]+)==(\S+)", pinned.read_text(encoding="utf-8"), re.MULTILINE):
            (distributions / f"{name}-{version}-py3-none-any.whl").write_text(f"{name} {version}", encoding="utf-8")
    async with demo_yard(servers, tmp_path_factory.mktemp("yard"), distributions=distributions) as made:
        yield made


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_every_line_of_shell_runs_here_or_is_known_to_run_elsewhere(page: Path) -> None:
    lines = [example for example in _examples(page) if example.command and not example.command.startswith("#")]

    assert [line for line in lines if not line.runs and not _RUNS_ELSEWHERE.match(line.command)] == []


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_every_example_is_answered_as_it_says(page: Path, yard: Yard, tmp_path: Path) -> None:
    for name, text in _files(page):
        (tmp_path / name).write_text(text, encoding="utf-8")
    examples = [example for example in _examples(page) if example.runs]
    if not examples:
        return
    done = _run(_script(examples).replace(_ADDRESS, yard.base_url), tmp_path, yard.environment)

    answers = _read_answers(tmp_path / "answers") if any(example.answers for example in examples) else {}
    for example in examples:
        for answer in answers.get(example.number, []):
            said = f"{page}:{example.number}: {example.command}\nwas answered with {answer}: {done.stdout[-2_000:]}"
            assert re.fullmatch(example.expected, answer), said
    assert done.returncode == 0, done.stdout[-2_000:]
    assert set(answers) == {example.number for example in examples if example.answers}
    outputs = _read_outputs(done.stdout)
    for shown in shown_outputs(page.read_text(encoding="utf-8")):
        output = "".join(outputs.get(number, "") for number in shown.commands)
        assert not output or is_like(shown, output), f"{page}:{shown.line} should show:\n{output}"


def test_an_example_that_fails_is_noticed(yard: Yard, tmp_path: Path) -> None:
    lines = (f"ID=$(curl -s {_ADDRESS}/api/v4/nothing | cut -c 1)", f"curl -fsS {_ADDRESS}/api/v4/nothing")
    examples = [Example(number, line) for number, line in enumerate(lines, 1)]

    done = _run(_script(examples).replace(_ADDRESS, yard.base_url), tmp_path, {})

    assert done.returncode == 22
    assert _read_answers(tmp_path / "answers") == {1: ["404"], 2: ["404"]}


@pytest.mark.parametrize(
    ("block", "output", "expected"),
    [
        ("```text\n1 of 2\nlast: 0198c2a4-…\n```", "first\n1 of 2\nlast: 0198c2a4-48dc-7202-8631-335726b73544\n", True),
        ("```text\n1 of 2\n```", "1 of 3\n", False),
        ("```text\nsecond\nfirst\n```", "first\nsecond\n", False),
        ("```text\nclean: 163 objects, 700 bytes\n```", "clean: 12 objects, 700 bytes\n", True),
        ('```json\n[{"id":1,\n "name":"a"}]\n```', '[{"id":77,"name":"a"}]', True),
        ('```json\n{"name":"a"}\n```', '{"name":"a","more":1}', False),
        ('It is shortened:\n\n```json\n{"name":"a"}\n```', '{"name":"a","more":1}', True),
        ('It is shortened:\n\n```json\n{"name":"a"}\n```', '{"name":"b","more":1}', False),
    ],
)
def test_an_output_that_differs_from_the_page_is_noticed(block: str, output: str, expected: bool) -> None:  # noqa: FBT001 - a parameter
    (shown,) = shown_outputs(f"```sh\ncommand\n```\n\n{block}\n")

    assert shown.commands == range(2, 3)
    assert is_like(shown, output) is expected


def _examples(page: Path) -> Iterator[Example]:
    text = page.read_text(encoding="utf-8")
    for block in FENCED.finditer(text):
        if block[3] == IN_CLUSTER:
            continue
        number = text.count("\n", 0, block.start(4)) + 1
        for line in _LINE.findall(textwrap.dedent(block[4])):
            example = Example(number, line.rstrip("\n"))
            # A line that calls curl in another block counts, too: it belongs into one of shell, or into a job of CI.
            if block[2] == "sh" or (example.calls and block[2] != "yaml"):
                yield example
            number += line.count("\n")


def _files(page: Path) -> Iterator[tuple[str, str]]:
    for block in FENCED.finditer(page.read_text(encoding="utf-8")):
        if block[3] and block[3] != IN_CLUSTER:
            yield block[3], block[4]


def _script(examples: list[Example]) -> str:
    lines = (f"at={example.number}; printf '\\n@%s\\n' $at\n{example.command}\n" for example in examples)
    return _PROGRAMS + "".join(lines)


def _run(script: str, folder: Path, settings: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    shutil.copy(_README, folder)  # a file to upload
    return subprocess.run(
        ["bash", "-c", script],
        env={
            "PATH": f"{Path(sys.executable).parent}:{find_programs()}:{inherited()['PATH']}",
            "HOME": str(folder),
            **settings,
        },
        cwd=folder,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_PATIENCE_S,
    )


def _read_outputs(text: str) -> dict[int, str]:
    """Return what each line of a script printed, by its number."""
    _, *parts = re.split(r"^@(\d+)\n", text, flags=re.MULTILINE)
    return {int(number): output for number, output in zip(parts[::2], parts[1::2], strict=True)}


def _read_answers(file: Path) -> dict[int, list[str]]:
    answers: dict[int, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        number, status = line.split(" ")
        answers.setdefault(int(number), []).append(status)
    return answers

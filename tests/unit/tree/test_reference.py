"""The generated parts of the documents are what the code says; the rest of the documents leads somewhere."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.support.paths import ROOT
from tests.support.reference import DOCS, PARTS, parts_of, with_parts

_PAGES: Final = {page: page.read_text(encoding="utf-8") for page in sorted(DOCS.rglob("*.md"))}
_TOP: Final = {page: page.read_text(encoding="utf-8") for page in sorted(ROOT.glob("*.md"))}
_LINK: Final = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")
_CODE: Final = re.compile(r"^ *```.*?^ *```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_HEADING: Final = re.compile(r"^#+ (.*)$", re.MULTILINE)


@pytest.mark.parametrize("page", [page for page, text in _PAGES.items() if parts_of(text)], ids=lambda page: page.stem)
def test_a_generated_part_is_what_the_code_says(page: Path) -> None:
    assert with_parts(_PAGES[page]) == _PAGES[page], "make docs-reference"


def test_each_generated_part_is_on_one_page() -> None:
    assert sorted(name for text in _PAGES.values() for name in parts_of(text)) == sorted(PARTS)


@pytest.mark.parametrize("page", [*_TOP, *_PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_files_leads_somewhere(page: Path) -> None:
    for target, anchor in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
        found = (page.parent / target).resolve()
        assert found.exists(), target
        if anchor:
            assert anchor[1:] in _anchors(found.read_text(encoding="utf-8")), f"{target}{anchor}"


def _anchors(text: str) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in _HEADING.findall(text)}

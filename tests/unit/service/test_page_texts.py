"""The texts of the pages: all come from one catalogue, so that a second language needs no change of a template."""

import gettext
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from babel import Locale
from babel.messages.extract import extract_from_dir
from typing_extensions import override

import service.web
from service.web.frame import plots
from service.web.frame.formats import Formats
from service.web.frame.rendering import make_environment

_TEMPLATES: Final = Path(service.web.__file__).parent / "templates"
_TAGS: Final = re.compile(r"<style>.*?</style>|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<[^>]*>|&[a-z]+;", re.DOTALL)
_TRANSLATED: Final = re.compile(r"\{% trans.*?\{% endtrans %\}", re.DOTALL)
_PLACE: Final = re.compile(r"%\((\w+)\)s")
_NO_TEXT: Final = re.compile(r"[A-Za-z]{2,}")
_NAMES: Final = frozenset(
    {
        *("SHA", "MD", "curl", "header", "PRIVATE", "TOKEN", "upload", "file", "app", "tgz", "api"),
        *("projects", "packages", "generic", "Enter"),
        *("packyard", "deletions", "hold", "group", "reason", "openapi", "json", "CSV", "JSON"),
    }
)
"""Words that are the same in every language: checksums, keys, addresses and a command."""


class Pseudo(gettext.NullTranslations):
    """A language that is English between brackets, with longer words."""

    @override
    def gettext(self, message: str) -> str:
        return f"[{message} ééé]"

    @override
    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"[{msgid1 if n == 1 else msgid2} ééé]"


def test_a_second_language_reaches_every_text_and_keeps_its_values() -> None:
    environment = make_environment(Pseudo(), Locale("de"))
    moment = datetime.now(UTC) - timedelta(hours=3)
    values = {"moment": moment, "size": 1_234_567, "count": 2}
    text = (
        "{{ _('Deletions') }}|{{ size | size }}|{{ moment | ago }}|"
        "{% trans count=count, num=count | count %}{{ num }} file{% pluralize %}{{ num }} files{% endtrans %}"
    )
    deletions, size, ago, files = environment.from_string(text).render(values).split("|")

    assert (deletions, files) == ("[Deletions ééé]", "[2 files ééé]")
    assert ("1,2 MB" in size, "[1.234.567 bytes ééé]" in size) == (True, True)
    assert "vor 3 Stunden" in ago


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(59.7, "1 minute"), (89, "1 minute 29 seconds"), (110, "1 minute 50 seconds"), (599.8, "10 minutes")],
)
def test_a_time_that_people_wait_for_is_exact(seconds: float, words: str) -> None:
    assert Formats(Locale("en"), gettext.NullTranslations().ngettext).span(seconds) == words


@pytest.mark.parametrize(
    "template", sorted(_TEMPLATES.rglob("*.html")), ids=lambda path: path.relative_to(_TEMPLATES).as_posix()
)
def test_no_template_has_a_text_outside_of_the_catalogue(template: Path) -> None:
    text = _TAGS.sub(" ", _TRANSLATED.sub(" ", template.read_text(encoding="utf-8")))

    assert [word for word in _NO_TEXT.findall(text) if word not in _NAMES] == []


def test_babel_finds_all_texts_and_each_plural_has_both_forms() -> None:
    options = {"**.html": {"extensions": "jinja2.ext.do", "newstyle_gettext": "true"}}
    found = list(extract_from_dir(_TEMPLATES, [("**.html", "jinja2")], options))
    plurals = [message for _, _, message, _, _ in found if isinstance(message, tuple)]

    assert len(found) > 250
    assert len(plurals) > 10
    for one, many in plurals:
        assert set(_PLACE.findall(one)) == set(_PLACE.findall(many))


def test_a_plot_has_a_step_for_each_day_and_a_round_top() -> None:
    assert [plots.round_top(values) for values in ([], [0], [7], [20], [201, 3])] == [1, 1, 10, 20, 500]
    assert plots.steps([0, 50, 100], 100) == "M0.0 200.0 H333.3 L333.3 100.0 H666.7 L666.7 0.0 H1000.0"
    assert plots.area([100], 100) == "M0.0 0.0 H1000.0 V200 H0 Z"
    assert [(bar.x, bar.height) for bar in plots.bars([0, 50], 100)] == [(562.5, 100.0)]

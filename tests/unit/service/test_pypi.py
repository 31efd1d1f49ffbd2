"""Which form of a PyPI index a client gets, and to which packages a file may belong."""

import pytest

from service.registries.pypi.details import possible_names
from service.registries.pypi.negotiation import wants_json

_V1 = "application/vnd.pypi.simple.v1"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("*/*", False),
        ("text/html", False),
        (f"{_V1}+json, {_V1}+html;q=0.1, text/html;q=0.01", True),
        (f"{_V1}+json, {_V1}+html;q=0.2, text/html;q=0.01", True),
        (f"{_V1}+json, */*;q=0.1", True),
        (f"{_V1}+html, {_V1}+json;q=0.5", False),
        (f"{_V1}+json;q=0, */*", False),
        ("APPLICATION/vnd.pypi.simple.latest+json", True),
        (f"{_V1}+json;q=nonsense", True),
        ("," * 10_000, False),
    ],
)
def test_json_is_sent_where_it_is_preferred(accept: str, *, expected: bool) -> None:
    assert wants_json(accept) is expected


def test_a_file_may_belong_to_each_name_that_it_begins_with() -> None:
    assert possible_names("Foo_Bar-1.0-py3-none-any.whl")[:3] == ["foo", "foo-bar", "foo-bar-1"]
    assert possible_names("-x") == []
    assert len(possible_names("a-" * 500)) == 64

import pytest

from schemas.searching import search_terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("  ", []),
        ("six", ["six"]),
        ("my  app", ["my", "app"]),
        ('"my app" core', ["core", "my app"]),
        ('core "my   app"', ["core", "my app"]),
        (' "my app"\t"your app" ', ["my app", "your app"]),
        ('an "open quote', ["an", '"open', "quote"]),
        ('a"b c"d', ['a"b', 'c"d']),
        ('"a b"c', ['"a', 'b"c']),
        ('""', ['""']),
        ('"', ['"']),
    ],
)
def test_a_search_is_split_at_blanks_but_not_within_quotes(text: str, terms: list[str]) -> None:
    assert search_terms(text) == terms

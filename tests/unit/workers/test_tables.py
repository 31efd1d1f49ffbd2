"""How tables and lines are made for a person: distances in time, and columns that fit a terminal."""

from datetime import UTC, datetime, timedelta

import pytest

from workers.cli.tables import Column, Size, TableStyle, distance, fitting, print_table

_NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("past", "text"),
    [
        (timedelta(milliseconds=5), "now"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(seconds=61), "1 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=30), "30 d ago"),
        (timedelta(days=31), "2026-10-29"),
        (timedelta(minutes=-90), "in 1 h"),
        (timedelta(days=-400), "2028-01-03"),
    ],
)
def test_a_moment_is_as_far_away_as_it_is(past: timedelta, text: str) -> None:
    assert distance(_NOW - past, now=_NOW) == text


@pytest.mark.parametrize(
    ("look", "size", "is_exact"),
    [
        (TableStyle(width=80), "1.5 MB", False),
        (TableStyle(), "1.5 MB", True),
        (TableStyle(is_wide=True, width=80), "1,500,000", True),
    ],
)
def test_wide_is_exact(look: TableStyle, size: str, is_exact: bool) -> None:  # noqa: FBT001 - a row of the table
    past = datetime.now(UTC) - timedelta(minutes=1)

    assert look.cell(Size(1_500_000)) == size
    assert look.cell(past) == (past.isoformat(timespec="seconds") if is_exact else "1 min ago")


_COLUMNS = (
    Column("id"),
    Column("name", is_text=True),
    Column("when", rank=1),
    Column("error", rank=2, is_text=True),
    Column("batch", is_extra=True),
)


@pytest.mark.parametrize(
    ("look", "shown"),
    [
        (TableStyle(), {0: 36, 1: 40, 2: 10, 3: 50}),
        (TableStyle(is_wide=True, width=80), {0: 36, 1: 40, 2: 10, 3: 50, 4: 36}),
        (TableStyle(width=142), {0: 36, 1: 40, 2: 10, 3: 50}),
        (TableStyle(width=120), {0: 36, 1: 40, 2: 10, 3: 28}),
        (TableStyle(width=80), {0: 36, 1: 30, 2: 10}),
        (TableStyle(width=60), {0: 36, 1: 22}),
        (TableStyle(width=20), {0: 36, 1: 18}),
    ],
)
def test_columns_go_by_rank_and_only_text_is_cut(look: TableStyle, shown: dict[int, int]) -> None:
    assert fitting(_COLUMNS, [36, 40, 10, 50, 36], look) == shown


def test_a_table_without_a_terminal_is_plain_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(_COLUMNS, [("1", "x" * 300, None, "[red]", "b")], nothing="none")
    print_table(_COLUMNS, [], nothing="none")

    name = "x" * 300
    assert capsys.readouterr().out == f"id  name{' ' * 296}  when  error\n1   {name}        [red]\nnone\n"

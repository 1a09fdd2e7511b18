"""The table."""

from __future__ import annotations

import math

import pytest

from bench.figures import Spread
from bench.table import Row, heading, kilobytes, plain, table, whole


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (1.239, "1.24"),
        (9.999, "10.0"),
        (12.34, "12.3"),
        (99.97, "100"),
        (123.4, "123"),
        (12_345.6, "12,346"),
    ],
)
def test_a_figure_has_three_digits_or_those_before_the_point(value: float, text: str) -> None:
    assert plain(value) == text


def test_bytes_are_told_in_thousands() -> None:
    assert kilobytes(12_345) == "12.3 kB"


def test_a_row_tells_the_median_and_the_extremes_where_they_look_different() -> None:
    row = Row("answers", Spread(10.0, 10.0, 10.2), Spread(40.0, 35.0, 50.0), whole)
    assert row.cells() == ("answers", "10", "40 (35 to 50)", "4.00")


def test_what_is_not_known_is_a_question_mark() -> None:
    assert Row("x", None, Spread(1.0, 1.0, 1.0)).cells() == ("x", "?", "1.00", "?")


def test_a_heading_has_no_figures() -> None:
    assert heading("CPU").cells() == ("CPU", "", "", "")


def test_columns_are_aligned_and_no_line_ends_in_blanks() -> None:
    rows = [heading("age, ms"), Row("  p50", Spread(1.0, 1.0, 1.0), Spread(100.0, 90.0, 110.0))]
    assert table(("", "left", "right", "ratio"), rows).splitlines() == [
        "         left              right  ratio",
        "-" * 39,
        "age, ms",
        "  p50    1.00  100 (90.0 to 110)    100",
    ]


def test_a_spread_of_what_is_no_number_is_not_known() -> None:
    assert Row("x", Spread.of([math.nan]), None).cells() == ("x", "?", "?", "?")

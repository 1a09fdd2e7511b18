"""A table as text: what was measured on either side, and how many times as much the second is as the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.figures import Spread, ratio

UNKNOWN: Final = "?"
_GAP: Final = "  "


def plain(value: float) -> str:
    """Three significant digits or more: 1.24, 12.4, 124, 12,400."""
    for digits, most in ((2, 9.995), (1, 99.95)):  # what is rounded up to the next power of ten has a digit less
        if abs(value) < most:
            return f"{value:.{digits}f}"
    return f"{value:,.0f}"


def whole(value: float) -> str:
    """A count."""
    return f"{value:,.0f}"


def kilobytes(value: float) -> str:
    """Of bytes, in thousands."""
    return f"{plain(value / 1000)} kB"


@dataclass(frozen=True, slots=True)
class Row:
    """A measure of both sides; a row without either is a heading. None: not known."""

    label: str
    left: Spread | None = None
    right: Spread | None = None
    form: Callable[[float], str] = plain
    heading: bool = False

    def cells(self) -> tuple[str, str, str, str]:
        """Label, left, right, ratio."""
        if self.heading:
            return self.label, "", "", ""
        times = ratio(self.right, self.left)
        return (
            self.label,
            _spread(self.left, self.form),
            _spread(self.right, self.form),
            UNKNOWN if times is None else plain(times),
        )


def heading(label: str) -> Row:
    """A row above others."""
    return Row(label, heading=True)


def table(columns: tuple[str, str, str, str], rows: Sequence[Row]) -> str:
    """Lines of text; the first column to the left, the others to the right."""
    cells = [columns, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    rule = "-" * (sum(widths) + len(_GAP) * 3)
    lines = [
        _GAP.join(text.ljust(width) if column == 0 else text.rjust(width) for column, (text, width) in enumerate(pairs))
        for pairs in (list(zip(line, widths, strict=True)) for line in cells)
    ]
    return "\n".join(line.rstrip() for line in [lines[0], rule, *lines[1:]])


def _spread(spread: Spread | None, form: Callable[[float], str]) -> str:
    """The median, and the least and most where there are several that look different."""
    if spread is None:
        return UNKNOWN
    median, least, most = form(spread.median), form(spread.least), form(spread.most)
    return median if least == most else f"{median} ({least} to {most})"

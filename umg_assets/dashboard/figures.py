"""What may be shown of a figure, and how it is written."""

from collections.abc import Collection, Iterable
from datetime import date
from typing import Any


class Few:
    """Stands for a figure of fewer than `minimum` listeners: it is not shown."""

    def __init__(self, minimum: int) -> None:
        self.minimum = minimum

    def __str__(self) -> str:
        return f"< {self.minimum}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Few) and other.minimum == self.minimum

    def __hash__(self) -> int:
        return hash(self.minimum)


def guarded(rows: Iterable[dict[str, Any]], minimum: int, figures: Collection[str]) -> list[dict[str, Any]]:
    """The rows; in those of fewer than `minimum` listeners the figures are `Few`.

    A row without a count of listeners is judged by its plays, of which each listener has at least one.
    """
    shown = []
    for row in rows:
        people = row.get("listeners")
        people = row.get("plays") if people is None else people
        hidden = people is not None and people < minimum
        shown.append({**row, **{name: Few(minimum) for name in figures if name in row}} if hidden else row)
    return shown


class Writer:
    """Writes figures as the setting `dashboard.numbers` says: its pattern shows both separators."""

    def __init__(self, pattern: str) -> None:
        self._thousands, self._decimal = pattern[1], pattern[5]

    def number(self, value: Any, digits: int = 0) -> str:
        """A figure; an en dash for None, the bound for few."""
        if value is None:
            return "–"
        if isinstance(value, Few):
            return str(value)
        text = f"{value:,.{digits}f}"
        return text.translate({ord(","): self._thousands, ord("."): self._decimal})

    def change(self, now: Any, before: Any) -> str:
        """The relative change between two figures, such as +12.3 %; an en dash where there is none."""
        if not isinstance(now, int | float) or not isinstance(before, int | float) or not before:
            return "–"
        share = 100 * (now - before) / before
        return f"{'+' if share >= 0 else '−'}{self.number(abs(share), 1)} %"

    def hours(self, milliseconds: Any) -> str:
        """Hours listened, from milliseconds."""
        return self.number(milliseconds / 3_600_000 if isinstance(milliseconds, int) else milliseconds, 1)


def month_text(month: date) -> str:
    """A month as in an address: 2026-10."""
    return f"{month:%Y-%m}"

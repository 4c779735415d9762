"""What may be shown of a figure, and how it is written."""

import unicodedata
from collections.abc import Callable, Collection, Iterable
from datetime import date
from typing import Any

from umg_assets.text import is_obeyed

_STANDS_IN = {"title": "track_id", "artist_name": "artist_id"}


class Few:
    """Stands for a figure of fewer than `minimum` listeners: it is not shown."""

    def __init__(self, minimum: int) -> None:
        self.minimum = minimum

    def __str__(self) -> str:
        return f"< {self.minimum}"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Few) and other.minimum == self.minimum

    def __hash__(self) -> int:
        return hash(self.minimum)


class Withheld(Few):
    """Stands for a figure that is not shown because another, of few listeners, could be told from it and a sum."""

    def __str__(self) -> str:
        return "withheld"


def guarded(
    rows: Iterable[dict[str, Any]],
    minimum: int,
    figures: Collection[str],
    is_withheld: Callable[[dict[str, Any]], bool] = lambda _: False,
) -> list[dict[str, Any]]:
    """The rows; in those of fewer than `minimum` listeners the figures are `Few`.

    A row without a count of listeners is judged by its plays, of which each listener has at least one. is_withheld:
    of which other rows the figures are `Withheld`.
    """
    shown = []
    for row in rows:
        hidden = Few(minimum) if _people(row) < minimum else Withheld(minimum) if is_withheld(row) else None
        shown.append({**row, **{name: hidden for name in figures if name in row}} if hidden else row)
    return shown


def _people(row: dict[str, Any]) -> float:
    people = row.get("listeners")
    people = row.get("plays") if people is None else people
    return float("inf") if people is None else people


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


def readable(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its titles and artists' names as they can be shown on one line.

    Control characters and those that turn the direction of what follows are left out; a title of which nothing can be
    seen is None, or the row's track_id; a name of which nothing can be seen is None, or the row's artist_id.
    """
    for name, value in row.items():
        if name.endswith(("title", "artist_name")) and (value is None or isinstance(value, str)):
            seen = seen_of(value or "")
            row[name] = seen or row.get(_STANDS_IN.get(name, ""))
    return row


def seen_of(text: str) -> str:
    """A text as it can be shown on one line; empty where nothing of it can be seen."""
    letters = (" " if unicodedata.category(letter)[0] == "Z" else letter for letter in text if not _is_hidden(letter))
    shown = " ".join("".join(letters).split())
    return shown if any(unicodedata.category(letter)[0] not in "CZM" for letter in shown) else ""


def _is_hidden(letter: str) -> bool:
    """Whether a letter is a control character, or a bidirectional control; joiners, which scripts need, are not."""
    return is_obeyed(letter) and not letter.isspace()


def month_text(month: date) -> str:
    """A month as in an address: 2026-10."""
    return f"{month:%Y-%m}"

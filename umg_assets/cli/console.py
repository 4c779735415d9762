"""How rows are printed: as tables for people, as CSV and JSON for programs."""

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 100
"""Width of a terminal, in characters, from which a chart is shown with all its columns."""

_NEVER_WRAPPED = ("delivery_date", "source", "reason", "genre")

_ENDLESS = 10_000
"""Width of what is no terminal: in a file or a pipe a table is as wide as its content, and no sentence is broken."""


def _console(file: TextIO, stderr: bool = False) -> Console:
    """A console that prints texts as they are: brackets and colons in names and paths are neither markup nor emoji."""
    width = None if file.isatty() else _ENDLESS
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


out = _console(sys.stdout)
err = _console(sys.stderr, stderr=True)


def is_wide() -> bool:
    """Whether what is printed on may hold all columns of a chart: a wide terminal, a file or a pipe."""
    return out.width >= _WIDE


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def say(label: str, style: str, text: str) -> None:
    """Prints a line that begins with a coloured label: `waits: plays/a.csv: ...`."""
    out.print(Text.assemble((label, style), text), soft_wrap=True)


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], form: Format, title: str = "") -> None:
    """Prints rows as a table with a title, as CSV with a header, or as a JSON array (dates as ISO text)."""
    if form is Format.TABLE:
        if title:
            out.print(Text(title, style="bold"), soft_wrap=True)
        out.print(table(columns, ([row[name] for name in columns] for row in rows)))
    elif form is Format.CSV:
        writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        plain = [{name: row[name] for name in columns} for row in rows]
        print(json.dumps(plain, default=_plain, ensure_ascii=False, indent=1))


def show_lines(rows: Iterable[Mapping[str, Any]]) -> None:
    """Prints each row as a line of JSON (dates as ISO text)."""
    for row in rows:
        print(json.dumps(row, default=_plain, ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A rich table with one line per row. Numbers are right-aligned with thousands separators, long texts cut."""
    printed = Table(
        header_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    cells = [list(row) for row in rows]
    for position, name in enumerate(columns):
        number = any(isinstance(row[position], int | float) for row in cells)
        printed.add_column(
            Text(name.replace("_", "\n" if number else " ")),
            justify="right" if number else "left",
            vertical="bottom",
            # such a column keeps its width; the others share the rest of a narrow terminal
            no_wrap=number or name in _NEVER_WRAPPED,
        )
    for row in cells:
        printed.add_row(*(Text(_cell(value), no_wrap=True, overflow="ellipsis") for value in row))
    return printed


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return " ".join(str(value).split())


def _plain(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")

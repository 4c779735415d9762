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
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from umg_assets.settings.home import home_of
from umg_assets.text import redacted, spreadsheet, visible

_WIDE = 100
"""Width of a terminal, in characters, from which a chart is shown with all its columns."""

_NEVER_WRAPPED = ("delivery_date", "source", "reason", "genre")

_ENDLESS = 10_000
"""Width of what is no terminal: in a file or a pipe a table is as wide as its content, and no sentence is broken."""


class _Console(Console):
    """Prints texts as they are: brackets and colons in names and paths are neither markup nor emoji, and what a
    terminal would obey is shown as an escape. No address is printed with its secrets."""

    def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
        """As rich's."""
        for part in super().render(renderable, options):
            yield part if part.control else part._replace(text=visible(redacted(part.text), keep="\n"))


def _console(file: TextIO, stderr: bool = False) -> Console:
    width = None if file.isatty() else _ENDLESS
    return _Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


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
    out.print(Text.assemble((label, style), visible(text)), soft_wrap=True)


def tell(text: str) -> None:
    """Prints a text as one line, however long and whatever it holds."""
    out.print(visible(text), soft_wrap=True)


def said_of(error: Exception) -> str:
    """What an error says: a line, or, where it has `lines` of its own, these."""
    from umg_assets.resources.faults import told

    lines = getattr(error, "lines", None) or [told(error, home_of())]
    return "\n".join(redacted(visible(line)) for line in lines)


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], form: Format, title: str = "") -> None:
    """Prints rows as a table with a title, as CSV with a header, or as a JSON array (dates as ISO text)."""
    if form is Format.TABLE:
        if title:
            out.print(Text(title, style="bold"), soft_wrap=True)
        out.print(table(columns, ([row[name] for name in columns] for row in rows)))
    elif form is Format.CSV:
        guarded = _for_spreadsheets()
        # exact texts are all quoted: csv would leave a lone carriage return without quotes
        quoting = csv.QUOTE_MINIMAL if guarded else csv.QUOTE_NONNUMERIC
        writer = csv.writer(sys.stdout, lineterminator="\n", quoting=quoting)
        writer.writerow(columns)
        for row in rows:
            values = (row.get(name, "") for name in columns)
            writer.writerow([spreadsheet(value) if guarded else value for value in values])
    else:
        print(_json([{name: row[name] for name in columns} for row in rows], indent=1))


def show_lines(rows: Iterable[Mapping[str, Any]]) -> None:
    """Prints each row as a line of JSON (dates as ISO text)."""
    for row in rows:
        print(_json(row))


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
    return visible(" ".join(str(value).split()))


def _for_spreadsheets() -> bool:
    from umg_assets.settings.model import SettingsError, read_settings

    try:
        return read_settings(home_of()).csv_for_spreadsheets
    except SettingsError:  # what only reads tables is shown for all that
        return True


def _json(value: Any, indent: int | None = None) -> str:
    """JSON whose letters are shown as they are, but for those that a terminal would obey: these are escapes."""
    return visible(json.dumps(value, default=_plain, ensure_ascii=False, indent=indent), keep="\n")


def _plain(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")

"""A page: what its template shows, and the tables that can be taken along from it."""

import csv
import functools
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from umg_assets.dashboard.figures import Few
from umg_assets.text import spreadsheet

FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}
"""By form of a download, its media type."""
FEW = "few_listeners"
"""A column of a Parquet download: whether figures of the row are left out, because few listeners are behind them."""
_TYPES = {
    bool: "boolean",
    int: "bigint",
    float: "double",
    Decimal: "double",
    date: "date",
    datetime: "timestamptz",
}


class NotThereError(LookupError):
    """What an address asks for is not there. choices: (words, address) of what is."""

    def __init__(self, message: str, choices: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.choices = tuple(choices)


@dataclass(frozen=True)
class Sheet:
    """A table of a page: rows with just these columns, as the page shows them. name: lower-case words with _."""

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]

    def records(self) -> list[dict[str, Any]]:
        """The rows, cut to the columns, ready for JSON: dates as ISO text, few listeners as "< 5"."""
        return [{name: _plain(row.get(name)) for name in self.columns} for row in self.rows]

    def to_bytes(self, form: str, for_spreadsheets: bool = True) -> bytes:
        """The sheet in one of FORMATS. Parquet keeps numbers as numbers: figures of few listeners are NULL there, and
        a column few_listeners says so. for_spreadsheets: in CSV texts are as `text.spreadsheet` gives them."""
        return self._csv(for_spreadsheets) if form == "csv" else {"json": self._json, "parquet": self._parquet}[form]()

    def _csv(self, for_spreadsheets: bool) -> bytes:
        target = io.StringIO()
        writer = csv.writer(target, lineterminator="\r\n")
        writer.writerow(self.columns)
        for row in self.rows:
            values = (_plain(row.get(name)) for name in self.columns)
            writer.writerow([spreadsheet(value) if for_spreadsheets else value for value in values])
        return target.getvalue().encode()

    def _json(self) -> bytes:
        lines = ",\n".join(json.dumps(record, ensure_ascii=False) for record in self.records())
        return f"[\n{lines}\n]\n".encode()

    def _parquet(self) -> bytes:
        import pyarrow.parquet as pq

        columns = {name: [_kept(row.get(name)) for row in self.rows] for name in self.columns}
        columns[FEW] = [any(isinstance(row.get(name), Few) for name in self.columns) for row in self.rows]
        shown = ", ".join(f"unnest(?::{_type_of(values)}[]) as {_quoted(name)}" for name, values in columns.items())
        # not pyarrow.array(): that would import pandas
        table = _database().cursor().sql(f"select {shown}", params=list(columns.values()))
        target = io.BytesIO()
        pq.write_table(table.to_arrow_table(), target)
        return target.getvalue()


@dataclass(frozen=True)
class Page:
    """template: the name of its template. title: of the window. content: what the template shows. sheets: by name."""

    template: str
    title: str
    content: Mapping[str, Any]
    sheets: Sequence[Sheet] = field(default=())


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"temp_directory": "", "threads": 1})  # a page's rows: it need not spill


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _type_of(values: Iterable[Any]) -> str:
    """The SQL type of a column: that of its values, a text where they differ or all are None."""
    found = {type(value) for value in values} - {type(None)}
    if found == {int, float}:
        return "double"
    return _TYPES.get(found.pop(), "varchar") if len(found) == 1 else "varchar"


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return str(value) if isinstance(value, Few) else value


def _kept(value: Any) -> Any:
    return None if isinstance(value, Few) else value

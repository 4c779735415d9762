"""Appends rows to a table that only grows, by delta-rs: no engine starts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa

from umg_assets.resources.locations import location_of
from umg_assets.resources.locks import writing
from umg_assets.tables import Table

_TYPES = {"string": pa.string(), "date": pa.date32(), "timestamp": pa.timestamp("us", tz="UTC")}


def append_rows(home: Path, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Appends rows in one commit."""
    schema = pa.schema([pa.field(column.name, _TYPES[column.type]) for column in table.columns])
    append(home, table, pa.Table.from_pylist([dict(row) for row in rows], schema=schema))


def append(home: Path, table: Table, rows: pa.Table) -> None:
    """As append_rows, of rows in the table's types."""
    with writing(home, table.name):
        deltalake.write_deltalake(location_of(home, table).address, rows, mode="append")

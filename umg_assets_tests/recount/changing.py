"""Changes, deletes and adds rows of a table by hand, with delta-rs, as nobody should."""

from datetime import date
from typing import Any

import deltalake
import pyarrow as pa

from umg_assets import tables
from umg_assets.tables import Table
from umg_assets_tests.lake import Lake

CHANGES: dict[str, tuple[str, Any]] = {
    "plays": ("played_ms", 77),
    "sessions": ("skips", 77),
    "daily_track_plays": ("completes", 77),
    "monthly_track_plays": ("listeners", 77),
    "top_tracks_by_country": ("title", "Another Song"),
    "chart_movements": ("peak_rank", 77),
    "top_artists_by_genre": ("streams", 77),
    "age_group_favourites": ("artist_name", "Another Artist"),
}
"""By recounted table: a column and the value it is changed to."""


_DIFFERENT = {
    "string": "concat(coalesce({0}, ''), '?')",
    "bigint": "{0} + 77",
    "int": "{0} + 77",
    "date": "date '2020-02-29'",
    "timestamp": "{0} + interval '1 second'",
    "boolean": "not {0}",
}
"""By type: an SQL expression of delta-rs for a value that differs from `{0}`."""


def change_a_row(lake: Lake, name: str) -> tuple[str, str]:
    """Changes a row of the table. Returns its name and the difference, both as a reconciliation prints them."""
    column, value = CHANGES[name]
    rows = lake.rows(name)
    row = rows[len(rows) // 2]
    assert row[column] != value
    outcome = _delta(lake, name).update(predicate=_predicate(name, row), new_values={column: value})
    assert outcome["num_updated_rows"] == 1
    return _named(name, row), f"{column} {value}, counted {row[column]}"


def change_a_row_a_column(lake: Lake, table: Table) -> dict[str, str]:
    """Changes every column outside the table's key, each in a different row. Returns the changed column by row name.

    Picks rows that have a value in every column in which any row has one: no generated play has a section.
    """
    columns = [name for name in table.names if name not in _key(table.name)]
    all_rows = lake.rows(table.name)
    known = {name for row in all_rows for name, value in row.items() if value is not None}
    rows = [row for row in all_rows if None not in (row[name] for name in known)]
    chosen = dict(zip(columns, rows, strict=False))
    assert len(chosen) == len(columns)
    updates = {
        column: f"case when {_predicate(table.name, row)} then {_DIFFERENT[table.type_of(column)].format(column)} "
        f"else {column} end"
        for column, row in chosen.items()
    }
    _delta(lake, table.name).update(updates=updates)
    return {_named(table.name, row): column for column, row in chosen.items()}


def delete_a_row(lake: Lake, name: str) -> str:
    """Deletes a row of the table. Returns its name."""
    row = lake.rows(name)[0]
    _delta(lake, name).delete(_predicate(name, row))
    return _named(name, row)


def add_a_row(lake: Lake, name: str, **changed: Any) -> str:
    """Adds a copy of a row, with some columns changed. Returns its name."""
    row, delta = {**lake.rows(name)[0], **changed}, _delta(lake, name)
    deltalake.write_deltalake(
        delta, pa.Table.from_pylist([row], schema=pa.schema(delta.schema().to_arrow())), mode="append"
    )
    return _named(name, row)


def _delta(lake: Lake, name: str) -> deltalake.DeltaTable:
    return deltalake.DeltaTable(lake.home / "tables" / name)


def _key(name: str) -> list[str]:
    table = tables.BY_NAME[name]
    return list(dict.fromkeys((*table.partitioned_by, *table.key)))


def _named(name: str, row: dict[str, Any]) -> str:
    return " ".join(f"{column}={row[column]}" for column in _key(name))


def _predicate(name: str, row: dict[str, Any]) -> str:
    return " and ".join(
        f"{column} is null" if row[column] is None else f"{column} = {_literal(row[column])}" for column in _key(name)
    )


def _literal(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    return f"date '{value}'" if isinstance(value, date) else "'" + value.replace("'", "''") + "'"

"""Small frames of a table's contract for tests, and their rows as plain tuples."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from umg_assets.tables import Table


def day(text: str) -> date:
    """`03-02` as a date of 2026."""
    return date.fromisoformat(f"2026-{text}")


def instant(text: str) -> datetime:
    """`03-02T10:00` as an instant of 2026, UTC."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def frame(spark: SparkSession, table: Table, rows: Sequence[dict[str, Any]]) -> DataFrame:
    """Rows of a contract; columns that a row leaves out are NULL. Raises KeyError for a column the contract lacks."""
    if unknown := {name for row in rows for name in row} - {*table.names}:
        raise KeyError(f"{table.name} has no {', '.join(sorted(unknown))}")
    schema = ", ".join(f"{column.name} {column.type}" for column in table.columns)
    return spark.createDataFrame([tuple(row.get(name) for name in table.names) for row in rows], schema)


def rows_of(frame: DataFrame, *columns: str) -> list[tuple]:
    """The values of some columns in every row, sorted; NULL sorts last."""
    rows = [tuple(row[name] for name in columns) for row in frame.select(*columns).collect()]
    return sorted(rows, key=lambda row: [(value is None, value) for value in row])

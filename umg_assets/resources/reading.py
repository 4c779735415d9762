"""Reads small results from the Delta tables by delta-rs, without an engine or Dagster."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import deltalake
import pyarrow as pa

from umg_assets import tables
from umg_assets.resources.delta_log import is_table, newest_version, open_table
from umg_assets.resources.locations import location_of
from umg_assets.tables import Table


class TableMissingError(RuntimeError):
    """The table does not exist yet; the message says what to type."""


Value = str | int | date


def read_table(
    home: Path,
    table: Table,
    where: Sequence[tuple[str, str, Value | Sequence[Value]]] = (),
    columns: Sequence[str] | None = None,
    version: int | None = None,
) -> pa.Table:
    """Rows of a table, all of its columns or some. Reads only files that can hold them.

    where: (column, operator, value) triples, all of which hold. operator: =, <, <= or >= and a value, or `in` several.
    version: the table's Delta version; default: the newest.
    Raises TableMissingError when the table does not exist.
    """
    names = list(columns or table.names)
    conditions = [f'"{column}" {operator} {datafusion_literal(value)}' for column, operator, value in where] or ["true"]
    sql = f"select {', '.join(_quoted(names))} from {table.name} where {' and '.join(conditions)}"
    return _plain_table(_executed(home, sql, {table: version}).read_all())


def stored_columns(home: Path, table: Table) -> list[str]:
    """The columns that a table has, which are fewer than its contract's until it is migrated.

    Raises TableMissingError when the table does not exist.
    """
    return [field.name for field in _open(home, table).schema().fields]


def query(home: Path, sql: str, *sources: Table) -> pa.Table:
    """The rows of an SQL query (DataFusion's) over the tables `sources`, by their names.

    Where it names partitions, only their files are read. Raises TableMissingError when a table does not exist.
    """
    return _plain_table(_executed(home, sql, dict.fromkeys(sources)).read_all())


def stream(home: Path, sql: str, *sources: Table) -> Iterator[pa.RecordBatch]:
    """As `query`, batch by batch: for results that may not fit into memory."""
    yield from _executed(home, sql, dict.fromkeys(sources))


def _executed(home: Path, sql: str, sources: Mapping[Table, int | None]) -> pa.RecordBatchReader:
    # to_pyarrow_dataset() would import pandas, which takes longer than all the rest of a command
    builder = deltalake.QueryBuilder()
    for table, version in sources.items():
        builder.register(table.name, _open(home, table, version))
    return pa.RecordBatchReader.from_stream(builder.execute(sql))


def _quoted(names: Iterable[str]) -> list[str]:
    return [f'"{name}"' for name in names]


def datafusion_literal(value: Value | Sequence[Value]) -> str:
    """A DataFusion SQL literal; several values give a list in brackets."""
    if isinstance(value, date):
        return f"date'{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, int):
        return str(value)
    return f"({', '.join(datafusion_literal(member) for member in value)})"


def _plain_table(rows: pa.Table) -> pa.Table:
    return rows.cast(pa.schema([(field.name, _plain(field.type)) for field in rows.schema]))


def _plain(type_: pa.DataType) -> pa.DataType:
    return pa.string() if type_ == pa.string_view() else type_


def partition_values(home: Path, table: Table, column: str, version: int | None = None) -> list[str]:
    """The values of a partition column that hold rows, sorted as text; no data is read.

    version: the table's Delta version; default: the newest.
    """
    return sorted(
        {
            str(value)
            for value in add_actions(home, table, version).column(f"partition.{column}").to_pylist()
            if value is not None
        }
    )


def add_actions(home: Path, table: Table, version: int | None = None) -> pa.Table:
    """A row for each file of the table, from its log: partition values, rows, bytes, statistics; no data is read.

    version: the table's Delta version; default: the newest. Raises TableMissingError when the table does not exist.
    """
    # pa.table() would import pandas, which takes longer than all the rest of a command
    return pa.RecordBatchReader.from_stream(_open(home, table, version).get_add_actions(flatten=True)).read_all()


def rows_of(home: Path, table: Table) -> int:
    """The number of rows of a table, from the statistics of its files."""
    return sum(add_actions(home, table).column("num_records").to_pylist())


def newest_day(home: Path, table: Table) -> date | None:
    """The newest local date of a table partitioned by play_date; None when it is empty."""
    days = partition_values(home, table, "play_date")
    return date.fromisoformat(days[-1]) if days else None


def complete_through(newest: date, last: date) -> date:
    """The local date through which a period that ends on `last` is complete.

    newest: the day of the newest play. More of its plays may still arrive: the day before it is the last complete one.
    """
    return min(newest - timedelta(days=1), last)


def day_shown(home: Path, newest: date, versions: Mapping[Table, int] | None = None) -> date:
    """The day whose window charts are shown: the last complete one; on a lakehouse's first day, that day.

    newest: the day of the newest play. versions: of the tables; default: the newest.
    """
    days = {
        date.fromisoformat(value)
        for table in (tables.AGE_GROUP_FAVOURITES, tables.TOP_ARTISTS_BY_GENRE)
        for value in partition_values(home, table, "chart_date", versions[table] if versions else None)
    }
    return max((day for day in days if day <= complete_through(newest, newest)), default=newest)


def _open(home: Path, table: Table, version: int | None = None) -> deltalake.DeltaTable:
    location = location_of(home, table)
    newest = newest_version(location)  # asked once: in a bucket that is a request
    if newest < 0 and not is_table(location):
        from umg_assets.settings.model import drop_place  # only here: it takes a while

        raise TableMissingError(f"{location} is not there yet: drop files into {drop_place(home)} and type `umg run`")
    return open_table(location, newest if version is None else version)

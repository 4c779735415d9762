"""The files of a table at one version, and DuckDB's SQL over some of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb

from umg_assets.resources.locations import address_of, location_of
from umg_assets.resources.reading import add_actions
from umg_assets.tables import Table

_TYPES = {
    "string": "varchar",
    "date": "date",
    "int": "integer",
    "bigint": "bigint",
    "boolean": "boolean",
    "timestamp": "timestamp with time zone",
    "decimal(38,0)": "decimal(38, 0)",
    "map<string,bigint>": "map(varchar, bigint)",
    "array<string>": "varchar[]",
    "array<date>": "date[]",
}


@dataclass(frozen=True)
class File:
    """A file of a table: its path, its partition values as text (None for NULL) by column, and its size in bytes."""

    path: str
    values: Mapping[str, str | None]
    bytes: int


def connect(home: Path, spill: Path | str, **configuration: Any) -> duckdb.DuckDBPyConnection:
    """A new database of DuckDB in memory that can read the tables' files, wherever they lie.

    spill: the folder for what does not fit into memory; empty for none.
    """
    connection = duckdb.connect(config={"temp_directory": str(spill), **configuration})
    if address := address_of(home):
        from umg_assets.object_store import file_system  # only where there is a bucket: it takes a while

        connection.register_filesystem(file_system(address))
    return connection


def relation(table: Table, files: Collection[File], numbered: bool = False) -> str:
    """SQL to select from: the rows of some files of a table, with every column of its contract.

    numbered: whether with a column file_number too, the place of the row's file in `files`, which then must not be
    empty.
    """
    columns = _columns(table)
    if not files:
        return f"({_no_rows(table)})"
    texts = [(file.path, *(file.values[name] for name in table.partitioned_by)) for file in files]
    places = ", ".join(f"({number}, {', '.join(map(duckdb_literal, of_file))})" for number, of_file in enumerate(texts))
    shown = ", ".join(
        f'cast(_of_file."{name}" as {type_}) as "{name}"' if name in table.partitioned_by else f'_rows."{name}"'
        for name, type_ in columns.items()
    )
    shown += ", _of_file._number as file_number" if numbered else ""
    partition_columns = "".join(f', "{name}"' for name in table.partitioned_by)
    return (
        f"(select {shown} from read_parquet({_paths(files)}, filename = '_file', hive_partitioning = false, "
        f"union_by_name = true) as _rows join (values {places}) as _of_file(_number, _path{partition_columns}) "
        "on _rows._file = _of_file._path)"
    )


def view(table: Table, files: Collection[File], alike: bool) -> str:
    """SQL for a view that is kept: the rows of some files of a table, with every column of its contract.

    A query over it reads, of a partitioned table, the files of the partitions that it names. It takes their values from
    the names of folders (`play_date=2026-10-01`), which the engines and delta-rs give them: releases of DuckDB that
    cannot run the join of `relation` read it, too. A column that the files do not have yet is NULL. alike: every file
    has all columns: then the first one alone is opened before a query, not each of them.
    """
    if not files:
        return _no_rows(table)
    columns = _columns(table)
    names = ", ".join(f'"{name}"' for name in columns)
    types = ", ".join(f'"{name}": {columns[name]}' for name in table.partitioned_by)
    folders = f"hive_partitioning = true, hive_types = {{{types}}}" if types else "hive_partitioning = false"
    rows = f"from read_parquet({_paths(files)}, {folders}, union_by_name = {'false' if alike else 'true'})"
    return f"select {names} from ({_no_rows(table)} union all by name {rows})"


def files_of(home: Path, table: Table, version: int) -> list[File]:
    """The files of a version of a table, from its log."""
    actions = add_actions(home, table, version)
    root, sizes = location_of(home, table), actions.column("size_bytes").to_pylist()
    values = {name: actions.column(f"partition.{name}").to_pylist() for name in table.partitioned_by}
    return [
        File(
            f"{root}/{unquote(path)}",
            {name: None if column[row] is None else str(column[row]) for name, column in values.items()},
            sizes[row],
        )
        for row, path in enumerate(actions.column("path").to_pylist())
    ]


def _columns(table: Table) -> dict[str, str]:
    """DuckDB's type of each column of a contract."""
    return {column.name: _TYPES[column.type] for column in table.columns}


def _no_rows(table: Table) -> str:
    nothing = ", ".join(f'cast(null as {type_}) as "{name}"' for name, type_ in _columns(table).items())
    return f"select {nothing} where false"


def _paths(files: Collection[File]) -> str:
    return f"[{', '.join(duckdb_literal(file.path) for file in files)}]"


def duckdb_literal(text: str | None) -> str:
    """A text as DuckDB's SQL writes it; None is NULL."""
    return "null" if text is None else "'" + text.replace("'", "''") + "'"

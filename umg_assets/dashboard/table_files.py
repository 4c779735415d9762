"""The files of a table at one version, and SQL over some of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from umg_assets.resources.reading import add_actions
from umg_assets.tables import Table

_TYPES = {"string": "varchar", "date": "date", "int": "integer", "bigint": "bigint"}


@dataclass(frozen=True)
class File:
    """A file of a table: its path, and its partition values as text (None for NULL), by column."""

    path: str
    values: Mapping[str, str | None]


def relation(table: Table, files: Collection[File], numbered: bool = False) -> str:
    """SQL to select from: the rows of some files of a table, with every column of its contract.

    numbered: whether with a column file_number too, the place of the row's file in `files`, which then must not be
    empty.
    """
    columns = {column.name: _TYPES[column.type] for column in table.columns}
    if not files:
        nothing = ", ".join(f'cast(null as {type_}) as "{name}"' for name, type_ in columns.items())
        return f"(select {nothing} where false)"
    places = ", ".join(
        f"({number}, "
        f"{', '.join(_literal(text) for text in (file.path, *(file.values[name] for name in table.partitioned_by)))})"
        for number, file in enumerate(files)
    )
    shown = ", ".join(
        f'cast(_of_file."{name}" as {type_}) as "{name}"' if name in table.partitioned_by else f'_rows."{name}"'
        for name, type_ in columns.items()
    )
    shown += ", _of_file._number as file_number" if numbered else ""
    partition_columns = "".join(f', "{name}"' for name in table.partitioned_by)
    paths = ", ".join(_literal(file.path) for file in files)
    return (
        f"(select {shown} from read_parquet([{paths}], filename = '_file', hive_partitioning = false, "
        f"union_by_name = true) as _rows join (values {places}) as _of_file(_number, _path{partition_columns}) "
        "on _rows._file = _of_file._path)"
    )


def files_of(home: Path, table: Table, version: int) -> list[File]:
    """The files of a version of a table, from its log."""
    actions = add_actions(home, table, version)
    root = home / "tables" / table.name
    values = {name: actions.column(f"partition.{name}").to_pylist() for name in table.partitioned_by}
    return [
        File(
            str(root / unquote(path)),
            {name: None if column[row] is None else str(column[row]) for name, column in values.items()},
        )
        for row, path in enumerate(actions.column("path").to_pylist())
    ]


def _literal(text: str | None) -> str:
    return "null" if text is None else "'" + text.replace("'", "''") + "'"

"""How other tools find the tables: a DuckDB file of views, statements for Spark and Databricks, and a JSON.

The views name the files of one version of each table, and hold no rows: DuckDB needs no extension to read them. They
can be read for as long as those files are there. Of the versions that a published set names, no vacuum deletes any
while that set is there; of others, none within a week.
"""

import uuid
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from umg_assets import tables
from umg_assets.resources.delta_log import TableDamagedError, has_all_columns, newest_version
from umg_assets.resources.json_files import write_json, write_text
from umg_assets.resources.locations import address_of, location_of, root_of
from umg_assets.resources.published import CURRENT, complete_through, current_version
from umg_assets.resources.reading import TableMissingError
from umg_assets.resources.table_files import connect, duckdb_literal, files_of, view
from umg_assets.tables import Table

CATALOG = "catalog"
"""The folder of a published set that holds all three."""
DUCKDB, STATEMENTS, LIST = "umg.duckdb", "tables.sql", "tables.json"
SCHEMA = "umg"
"""The schema in which Spark and Databricks have the tables."""
_OLDEST_READER = "v1.0.0"
"""DuckDB's storage version: releases from this one on read the file."""

_VIEWS = {(table.name, "VIEW") for table in tables.ALL}

Versions = Mapping[Table, int]


class NotACatalogError(ValueError):
    """A file that would be replaced holds something else; the message says which."""


def versions_now(home: Path, wanted: Iterable[Table] = tables.CATALOGUED) -> dict[Table, int]:
    """The newest version of each table that is there. Raises TableMissingError where none is."""
    versions = {table: newest_version(location_of(home, table)) for table in wanted}
    there = {table: version for table, version in versions.items() if version >= 0}
    if not there:
        from umg_assets.settings.model import drop_place  # only here: it takes a while

        raise TableMissingError(
            f"{root_of(home)}: no table is there yet: drop files into {drop_place(home)} and type `umg run`"
        )
    return there


def write_catalog(home: Path, versions: Versions, through: date | None, folder: Path) -> dict[str, str]:
    """Writes all three into a folder, which is made. through: as `described`. Returns as write_duckdb does."""
    folder.mkdir(exist_ok=True)
    write_text(folder / STATEMENTS, statements(versions, tables_address(home)))
    write_json(folder / LIST, described(versions, through, tables_address(home)))
    return write_duckdb(home, versions, folder / DUCKDB)


def published_file(home: Path) -> Path:
    """The DuckDB file of the set that is current, whichever that is. Raises TableMissingError before the first set."""
    if not (home / "exports" / CURRENT).exists():
        raise TableMissingError(
            f"{home / 'exports' / CURRENT}: nothing is published yet: type `umg run`, which does; or `umg catalog "
            "--out FILE`, for the tables that are there"
        )
    return home / "exports" / CURRENT / CATALOG / DUCKDB


def refresh_catalog(home: Path) -> dict[str, str]:
    """Writes the catalog of the current set anew, if there is one: the home has moved, or old versions have gone.

    A table whose version in the set cannot be read any more is found at its newest. Returns as write_duckdb does.
    """
    current = home / "exports" / CURRENT
    if not current.exists():
        return {}
    named = {table: current_version(home, table.name) for table in tables.CATALOGUED}
    versions = versions_now(home) | {table: version for table, version in named.items() if version >= 0}
    return write_catalog(home, versions, complete_through(home), current.resolve() / CATALOG)


def write_duckdb(home: Path, versions: Versions, file: Path) -> dict[str, str]:
    """Writes a DuckDB file of a view for each table, with the comments of its contract; whole, or not at all.

    Who has the file before open reads on in it. A table whose files cannot be read has no view. Returns why, by its
    name.
    """
    draft = file.with_name(f".{uuid.uuid4().hex}")
    try:
        with connect(home, home / "staging") as connection:
            version = duckdb_literal(_OLDEST_READER)
            connection.execute(f"attach {duckdb_literal(str(draft))} as lake (storage_version {version})")
            connection.execute("use lake")
            missing = create_views(connection, home, versions)
            connection.execute("use memory")
            connection.execute("detach lake")
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return missing


def create_views(connection: duckdb.DuckDBPyConnection, home: Path, versions: Versions) -> dict[str, str]:
    """Creates a view for each table in a database of DuckDB, with the comments of its contract.

    A table whose files cannot be read has none. Returns why, by its name.
    """
    missing = {}
    for table, version in versions.items():
        try:
            location = location_of(home, table)
            rows = view(table, files_of(home, table, version), has_all_columns(location, table.names))
            connection.execute(f'create view "{table.name}" as {rows}')
        except (duckdb.Error, TableDamagedError) as error:
            missing[table.name] = str(error).splitlines()[0]  # DuckDB shows the statement below
            continue
        comments = [f'comment on view "{table.name}" is {duckdb_literal(table.comment)}']
        comments += [
            f'comment on column "{table.name}"."{column.name}" is {duckdb_literal(column.comment)}'
            for column in table.columns
        ]
        connection.execute(";".join(["begin", *comments, "commit"]))  # alone, each waits for the disk
    return missing


def statements(versions: Versions, location: str) -> str:
    """SQL for Spark, Databricks and Unity Catalog: the tables where they lie, always at their newest version.

    location: under which they lie, as the reader of the statements sees it.
    """
    lines = [f"CREATE SCHEMA IF NOT EXISTS {SCHEMA};"]
    for table in versions:
        place = f"{location}/{table.name}".replace("\\", "\\\\").replace("'", "\\'")
        lines.append(f"CREATE TABLE IF NOT EXISTS {SCHEMA}.{table.name} USING DELTA LOCATION '{place}';")
    return "\n".join(lines) + "\n"


def described(versions: Versions, through: date | None, location: str) -> dict[str, Any]:
    """The tables for other tools: where each lies, its version, and what its contract says.

    through: the last local day that is complete; None before the first set. location: as `statements`.
    """
    return {
        "complete_through": through.isoformat() if through else None,
        "tables": [
            {
                "name": table.name,
                "comment": table.comment,
                "format": "delta",
                "location": f"{location}/{table.name}",
                "version": version,
                "partitioned_by": list(table.partitioned_by),
                "key": list(table.key),
                "columns": [vars(column) for column in table.columns],
            }
            for table, version in versions.items()
        ],
    }


def tables_address(home: Path) -> str:
    """Where the tables lie, as an address."""
    return address_of(home) or f"file://{root_of(home)}"


def refuse_to_replace(home: Path, file: Path) -> None:
    """Raises NotACatalogError unless a file is new, or a DuckDB file that holds views of tables and nothing else."""
    if not file.exists():
        return
    held = "select table_name, table_type from information_schema.tables where table_catalog = 'old'"
    try:
        with connect(home, home / "staging") as connection:
            connection.execute(f"attach {duckdb_literal(str(file))} as old (read_only)")
            others = [name for name, kind in connection.sql(held).fetchall() if (name, kind) not in _VIEWS]
    except duckdb.Error as error:
        found = f"one that cannot be opened ({str(error).splitlines()[0]})"
    else:
        found = f"one that holds {', '.join(others)}" if others else ""
    if found:
        raise NotACatalogError(f"{file}: expected a new file, or one of `umg catalog`, got {found}: name a new one")

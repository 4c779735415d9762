"""Recount of rows: what each table must hold according to the raw tables alone (rows.sql), compared row by row."""

import importlib.resources
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as pa_dataset

from umg_assets import tables
from umg_assets.resources.delta_log import open_table
from umg_assets.resources.locations import location_of
from umg_assets.resources.reading import TableMissingError
from umg_assets.resources.staging import staging_folder
from umg_assets.resources.table_location import Location
from umg_assets.settings.model import Settings
from umg_assets.tables import Table
from umg_assets.text import told_id

_MEMORY, _HASHES_AT_A_TIME = "1GB", 10_000_000


@dataclass(frozen=True)
class Difference:
    """A row that differs between a table and its recount.

    row: the columns that identify it. stored, counted: the values that differ, in the table and in the recount, among
    them `copies`, how often the row occurs; None on the side that does not have the row.
    """

    row: dict[str, Any]
    stored: dict[str, Any] | None
    counted: dict[str, Any] | None

    @property
    def name(self) -> str:
        """The columns that identify the row, without the user's key: `month=2026-10-01 country=AT rank=1`."""
        return " ".join(f"{name}={value}" for name, value in self.row.items() if name != "user_key")

    @property
    def told_name(self) -> str:
        """As name, with hashes of ids that may have been made of a user's."""
        told = {name: told_id(str(value)) for name, value in self.row.items() if name in tables.COMPOSED_IDS}
        return replace(self, row={**self.row, **told}).name

    @property
    def description(self) -> str:
        """What differs: `plays 146, counted 147`; of a user's key only that it differs."""
        if self.stored is None:
            return "missing"
        if self.counted is None:
            return "one too many"
        values = {name: f" {value}, counted {self.counted[name]}" for name, value in self.stored.items()}
        return "; ".join(f"{name}{value if name != 'user_key' else ' differs'}" for name, value in values.items())


@dataclass(frozen=True)
class Comparison:
    """A table compared with its recount: its rows, how many rows differ, and the first of those, in order."""

    table: Table
    rows: int
    differing: int = 0
    first: tuple[Difference, ...] = ()


def recount(
    settings: Settings,
    through: date,
    only: Collection[Table] = tables.RECOUNTED,
    limit: int = 20,
    kept: Collection[date] = (),
) -> list[Comparison]:
    """Compares every row of each table with its recount; names at most `limit` differences per table.

    through: the last local day that is counted; plays of later days wait in raw. kept: days whose raw plays have gone
    by age: their plays are taken as they are stored, and what follows from them is counted. Rows are compared by 64-bit
    hashes of all their columns, so only hashes are held in memory (at most 1 GB; the rest goes to disk under
    home/staging).
    Raises TableMissingError where a column of the contract has not been added yet.
    """
    staging = staging_folder(settings.home)
    with tempfile.TemporaryDirectory(dir=staging) as folder, duckdb.connect(config={"temp_directory": folder}) as con:
        con.execute(f"set memory_limit = '{_MEMORY}'; set preserve_insertion_order = false; set TimeZone = 'UTC'")
        # DuckDB takes a raw table, whose size it does not know, for a small one
        con.execute("set asof_loop_join_threshold = 0")
        for table in dict.fromkeys((*tables.RAW.values(), tables.PLAYS, *only)):
            con.register(table.name, _rows(location_of(settings.home, table), table))
        _set_variables(con, settings, through)
        _keep_plays(con, kept)
        con.execute((importlib.resources.files("umg_assets.recount") / "rows.sql").read_text(encoding="utf-8"))
        return [_compared(con, table, limit) for table in tables.RECOUNTED if table in only]


_ADDED = {"generation": pa.int64(), "play_pseudonym": pa.string(), "session_pseudonym": pa.string()}
"""Columns of raw tables that older versions did not write, with their types."""


def _rows(location: Location, table: Table) -> pa_dataset.Dataset:
    rows = open_table(location).to_pyarrow_dataset()
    for name in _ADDED.keys() & {*table.names} - {*rows.schema.names}:  # not migrated yet: as if it held NULL
        rows = rows.replace_schema(rows.schema.append(pa.field(name, _ADDED[name])))
    if missing := [name for name in table.names if name not in rows.schema.names]:
        raise TableMissingError(
            f"{location} has no column {', '.join(missing)} yet: type `umg run --range FIRST_DAY:TODAY`"
        )
    return rows


def _set_variables(con: duckdb.DuckDBPyConnection, settings: Settings, through: date) -> None:
    """Hands the settings to rows.sql, as tables and variables."""
    limits, charts, bounds = settings.thresholds, settings.charts, settings.age_groups
    uppers = [f"-{bound - 1}" for bound in bounds[1:]]
    names = [f"{low}{upper}" for low, upper in zip(bounds, [*uppers, "+"], strict=True)]
    con.execute("create temp table markets as select unnest($1) as market", [list(settings.markets)])
    con.execute(
        "create temp table age_groups as select unnest($1) as lower_bound, unnest($2) as name", [list(bounds), names]
    )
    for name, value in {
        "first_day": settings.first_day,
        "through": through,
        "correction_days": settings.correction_days,
        "stream_ms": limits.stream_seconds * 1000,
        "event_plays": settings.event_plays,
        "complete_percent": limits.complete_percent,
        "catalogue": bool(settings.sources.tracks),
        "top_tracks": charts.top_tracks,
        "top_artists": charts.top_artists,
        "top_artists_days": charts.top_artists_days,
        "favourites": charts.favourites,
        "favourites_days": charts.favourites_days,
        "favourites_section": charts.favourites_section,
    }.items():
        con.execute(f"set variable {name} = $1", [value])


def _keep_plays(con: duckdb.DuckDBPyConnection, days: Collection[date]) -> None:
    """Hands the days whose plays are not counted, and their plays, to rows.sql."""
    con.execute("create temp table kept_days as select unnest($1::date[]) as play_date", [sorted(days)])
    stored = ", ".join(f"date '{day.isoformat()}'" for day in days)
    con.execute(f"create temp view kept_plays as from plays where {f'play_date in ({stored})' if days else 'false'}")


def _compared(con: duckdb.DuckDBPyConnection, table: Table, limit: int) -> Comparison:
    """Finds the hashes that only one side has, a share of them at a time; reads rows only if there are any."""
    types = {name: type_ for name, type_, *_ in con.execute(f"describe {table.name}").fetchall()}
    key = list(dict.fromkeys((*table.partitioned_by, *table.key)))
    hashes = f"hash({', '.join(table.names)}) as h, hash({', '.join(key)}) as k"
    typed = ", ".join(f"{name}::{types[name]} as {name}" for name in table.names)
    con.execute(
        f"create or replace temp view stored as select *, {hashes} from {table.name};"
        f"create or replace temp view expected as select *, {hashes} from (select {typed} from counted.{table.name});"
        "create or replace temp table hashes as "
        "select h, k, 1 as times from stored union all select h, k, -1 from expected;"
        "create or replace temp table odd (h ubigint, k ubigint)"
    )
    shares = 1 + _number(con, "select count(*) from hashes") // _HASHES_AT_A_TIME
    for share in range(shares):
        con.execute(
            "insert into odd select h, any_value(k) from hashes where h % $1 = $2 group by h having sum(times) <> 0",
            [shares, share],
        )
    rows = _number(con, "select count(*) from hashes where times = 1")
    differing = sum(
        _number(con, f"select count(distinct k) from odd where k % {shares} = {share}") for share in range(shares)
    )
    return Comparison(table, rows, differing, tuple(_first(con, table, key, limit)) if differing else ())


def _first(con: duckdb.DuckDBPyConnection, table: Table, key: Sequence[str], limit: int) -> Iterator[Difference]:
    """The differences of the first `limit` keys, in order of the key."""
    keys, columns = ", ".join(key), ", ".join(table.names)
    by_side = " union ".join(
        f"(select {keys} from {side} where h in (select h from odd) order by all limit {limit})"
        for side in ("stored", "expected")
    )
    con.execute(f"create or replace temp table first_keys as select * from ({by_side}) order by all limit {limit}")
    same = " and ".join(f"{{0}}.{name} is not distinct from {{1}}.{name}" for name in key)
    sides = ", ".join(
        f"{side}_rows as (select {columns}, count(*) as copies from {side} semi join first_keys "
        f"on {same.format(side, 'first_keys')} where h in (select h from odd) group by all)"
        for side in ("stored", "expected")
    )
    pairs = con.execute(
        f"with {sides} select stored_rows, expected_rows from stored_rows full join expected_rows "
        f"on {same.format('stored_rows', 'expected_rows')} "
        f"order by {', '.join(f'coalesce(stored_rows.{name}, expected_rows.{name})' for name in key)} limit {limit}"
    ).fetchall()
    return (_difference(key, stored, expected) for stored, expected in pairs)


def _difference(key: Iterable[str], stored: dict[str, Any] | None, counted: dict[str, Any] | None) -> Difference:
    stored, counted = (side if side and side["copies"] else None for side in (stored, counted))
    row = {name: (stored or counted or {})[name] for name in key}
    if stored is None or counted is None:
        return Difference(row, stored, counted)
    changed = [name for name in stored if stored[name] != counted[name]]
    return Difference(row, *({name: side[name] for name in changed} for side in (stored, counted)))


def _number(con: duckdb.DuckDBPyConnection, query: str) -> int:
    row = con.execute(query).fetchone()
    return int(row[0] or 0) if row else 0

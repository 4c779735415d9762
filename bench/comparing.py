"""Whether two sides made the same: every row of the chart, and the number of rows of each other table."""

from pathlib import Path

import deltalake
import duckdb

_CHART = (
    "month::date as month, country, criterion, rank::int as rank, track_id, title, artist_name, genre, "
    "plays::bigint as plays, streams::bigint as streams, listening_ms::bigint as listening_ms, "
    "listeners::bigint as listeners, data_through::date as data_through"
)
_COUNTED = ("raw_plays", "tracks", "plays", "daily_track_plays", "monthly_track_plays")


class SidesDifferError(RuntimeError):
    """Two sides made different tables: no figure of theirs counts."""


def compare(home: Path, out: Path) -> str:
    """Compares a lakehouse with a script's Parquet outputs. Returns what was found the same, and bad records missed.

    Raises SidesDifferError. A script may lose a bad record on its way into quarantine: DuckDB, reading several files
    at a time, does not list a quote that is still open at a file's end.
    """
    con = duckdb.connect()
    con.register("ours", deltalake.DeltaTable(home / "tables" / "top_tracks_by_country").to_pyarrow_table())
    ours, theirs = f"select {_CHART} from ours", f"select {_CHART} from {_parquet(out, 'top_tracks_by_country')}"
    differing = con.execute(
        f"select 'lakehouse' as side, * from (({ours}) except all ({theirs})) union all "
        f"select '{out.name}', * from (({theirs}) except all ({ours})) order by month, country, criterion, rank limit 4"
    ).fetchall()
    if differing:
        raise SidesDifferError("top_tracks_by_country differs:\n" + "\n".join(str(row) for row in differing))
    rows = _count(con, "ours")
    if not rows:
        raise SidesDifferError("top_tracks_by_country is empty on both sides")
    for table in (*_COUNTED, "quarantine"):
        con.register(table, deltalake.DeltaTable(home / "tables" / table).to_pyarrow_dataset())
        if table in _COUNTED and (here := _count(con, table)) != (there := _count(con, _parquet(out, table))):
            raise SidesDifferError(f"{table}: the lakehouse has {here:,} rows, {out.name} {there:,}")
    missed = _count(con, "quarantine") - _count(con, _parquet(out, "quarantine"))
    return f"same {rows:,} chart rows" + (f"; {missed:+,} bad records missed" if missed else "")


def _parquet(out: Path, table: str) -> str:
    files = f"{out / table}/**/*.parquet" if (out / table).is_dir() else str(out / f"{table}.parquet")
    return f"read_parquet('{files}', hive_partitioning = true)"


def _count(con: duckdb.DuckDBPyConnection, relation: str) -> int:
    return con.execute(f"select count(*) from {relation}").fetchall()[0][0]

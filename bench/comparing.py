"""Compares the outputs of two sides: all rows of charts and sessions, and the numbers of rows of other tables."""

from pathlib import Path

import deltalake
import duckdb

# compared row by row; without user_key, which differs as each side creates its own key
_COMPARED = {
    "top_tracks_by_country": (
        "month::date as month, country, criterion, rank::int as rank, track_id, title, artist_name, genre, "
        "plays::bigint as plays, streams::bigint as streams, listening_ms::bigint as listening_ms, "
        "listeners::bigint as listeners, data_through::date as data_through"
    ),
    "chart_movements": (
        "month::date as month, country, criterion, rank::int as rank, track_id, "
        "previous_rank::int as previous_rank, peak_rank::int as peak_rank, months_on_chart::int as months_on_chart, "
        "movement"
    ),
    "top_artists_by_genre": (
        "chart_date::date as chart_date, market, genre, criterion, rank::int as rank, artist_id, artist_name, "
        "plays::bigint as plays, streams::bigint as streams, listening_ms::bigint as listening_ms"
    ),
    "age_group_favourites": (
        "chart_date::date as chart_date, age_group, rank::int as rank, track_id, title, artist_name, "
        "plays::bigint as plays"
    ),
    "sessions": (
        "session_date::date as session_date, epoch_us(started_at) as started_at, epoch_us(ended_at) as ended_at, "
        "plays::bigint as plays, skips::bigint as skips, completes::bigint as completes, "
        "listening_ms::bigint as listening_ms, country, age_group"
    ),
}
_COUNTED = ("raw_plays", "tracks", "plays", "daily_track_plays", "monthly_track_plays")


class SidesDifferError(RuntimeError):
    """Two sides built different tables, so none of their figures count."""


def compare(home: Path, out: Path) -> str:
    """Compares a lakehouse with a script's Parquet outputs. Returns a phrase on equal rows and missed bad records.

    Raises SidesDifferError if they differ, except in quarantine: DuckDB, when it reads several files at once, does not
    report a quote that is still open at the end of a file.
    """
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    rows = 0
    for table, columns in _COMPARED.items():
        con.register("ours", deltalake.DeltaTable(home / "tables" / table).to_pyarrow_table())
        ours, theirs = f"select {columns} from ours", f"select {columns} from {_parquet(out, table)}"
        differing = con.execute(
            f"select 'lakehouse' as side, * from (({ours}) except all ({theirs})) union all "
            f"select '{out.name}', * from (({theirs}) except all ({ours})) order by all limit 4"
        ).fetchall()
        if differing:
            raise SidesDifferError(f"{table} differs:\n" + "\n".join(str(row) for row in differing))
        if not (count := _count(con, "ours")):
            raise SidesDifferError(f"{table} is empty on both sides")
        rows += count
    for table in (*_COUNTED, "quarantine"):
        con.register(table, deltalake.DeltaTable(home / "tables" / table).to_pyarrow_dataset())
        if table in _COUNTED and (here := _count(con, table)) != (there := _count(con, _parquet(out, table))):
            raise SidesDifferError(f"{table}: the lakehouse has {here:,} rows, {out.name} {there:,}")
    missed = _count(con, "quarantine") - _count(con, _parquet(out, "quarantine"))
    return f"same {rows:,} rows of charts and sessions" + (f"; {missed:+,} bad records missed" if missed else "")


def _parquet(out: Path, table: str) -> str:
    files = f"{out / table}/**/*.parquet" if (out / table).is_dir() else str(out / f"{table}.parquet")
    return f"read_parquet('{files}', hive_partitioning = true)"


def _count(con: duckdb.DuckDBPyConnection, relation: str) -> int:
    return con.execute(f"select count(*) from {relation}").fetchall()[0][0]

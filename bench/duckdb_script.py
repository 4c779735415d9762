"""The lakehouse's work as a hand-written DuckDB script: from landing files to charts in Parquet, the whole history.

Usage: python -m bench.duckdb_script LANDING OUT. The SQL is in duckdb_script.sql. The script reads only what the
generator writes, and each run computes everything again: it has no settings, no ledger and no replaced slices.
"""

import bz2
import hmac
import re
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

import duckdb
import pyarrow as pa

_OF_FILE = "delivery_date, source_file, record"
_PLAY = "play_id, user_key, session_id, track_id, started_at, played_ms"
OUTPUTS = {
    "raw_plays": (
        f"select user_id, {_PLAY}, country, play_date, {_OF_FILE} "
        "from raw_plays join files using (file) join user_keys using (user_id)",
        "delivery_date",
    ),
    "raw_users": (
        "select user_id, user_key, country, age_group, birth as birth_date, signed as signed_up_on, delivery_date, "
        "source_file from users_checked join files using (file) join user_keys using (user_id) where reason is null",
        "delivery_date",
    ),
    "raw_tracks": (
        "select track_id, title, artist_id, artist_name, genre, ms as duration_ms, delivery_date, source_file "
        "from tracks_checked join files using (file) where reason is null",
        "delivery_date",
    ),
    "quarantine": ("from quarantine", "delivery_date"),
    "users": ("select user_key, users.* exclude (user_id) from users join user_keys using (user_id)", ""),
    "tracks": ("from tracks", ""),
    "plays": (
        f"select play_date, {_PLAY}, is_stream, is_skip, is_complete, country, age_group, section "
        "from plays join user_keys using (user_id)",
        "play_date",
    ),
    "daily_track_plays": ("from daily_track_plays", "play_date"),
    "monthly_track_plays": ("from monthly_track_plays", "month"),
    "top_tracks_by_country": ("from top_tracks_by_country", "month, country"),
    "chart_movements": ("from chart_movements", "country"),
    "sessions": (
        "select session_date, sha256(concat_ws('|', user_key, coalesce(session_id, ''), "
        "epoch_us(started_at)::varchar)) as session_key, sessions.* exclude (session_date, user_id), user_key "
        "from sessions join user_keys using (user_id)",
        "session_date",
    ),
    "top_artists_by_genre": ("from top_artists_by_genre", "chart_date"),
    "age_group_favourites": ("from age_group_favourites", "chart_date"),
}
_QUARANTINE = """
create table quarantine as
select delivery_date, source_file, reason, text from plays_read join files using (file) where reason is not null
union all
select delivery_date, source_file, reason, coalesce(line, concat_ws(',', user_id, country, birth_date))
from users_checked join files using (file) where reason is not null
union all
select delivery_date, source_file, reason, coalesce(line, concat_ws(',', track_id, title, duration_ms))
from tracks_checked join files using (file) where reason is not null
union all
select delivery_date, source_file, lower(replace(min(error_type)::varchar, ' ', '_')), min(csv_line)
from reject_errors join reject_scans using (scan_id, file_id) join files on file = file_path
group by delivery_date, source_file, line
"""


def list_files(con: duckdb.DuckDBPyConnection, landing: Path, plain: Path) -> None:
    """Creates the variables, the enum and the table of files; unpacks .bz2 files into `plain`, as DuckDB cannot."""
    paths = {str(file): str(file.relative_to(landing)) for file in landing.rglob("*.*") if file.is_file()}
    for packed in [name for name in paths if name.endswith(".bz2")]:
        unpacked = plain / Path(packed).stem
        unpacked.write_bytes(bz2.decompress(Path(packed).read_bytes()))
        paths[str(unpacked)] = paths.pop(packed)
    dates = {name: re.findall(r"\d{4}-\d{2}-\d{2}", path)[0] for name, path in paths.items()}
    ordered = sorted(paths, key=lambda name: (dates[name], paths[name]))
    for variable, kind, fits in (
        ("plays_csv", "plays/", (".csv", ".csv.gz", ".csv.zst", ".csv.bz2")),
        ("plays_lines", "plays/", (".jsonl",)),
        ("plays_parquet", "plays/", (".parquet",)),
        ("users_csv", "users/", (".csv",)),
        ("users_lines", "users/", (".jsonl",)),
        ("tracks_csv", "tracks/", (".csv",)),
        ("tracks_lines", "tracks/", (".jsonl",)),
    ):
        names = [name for name in ordered if paths[name].startswith(kind) and paths[name].endswith(fits)]
        con.execute(f"set variable {variable} = {names!r}")
    con.execute(f"set variable first_day = date '{dates[ordered[0]]}'")
    con.execute(f"create type landed_file as enum ({', '.join(repr(name) for name in ordered)})")
    listed = pa.table(
        {"file": ordered, "delivery_date": [dates[n] for n in ordered], "source_file": [paths[n] for n in ordered]}
    )
    con.register("listed", listed)
    con.execute(
        "create table files as select file::landed_file as file, delivery_date::date as delivery_date, source_file "
        "from listed"
    )


def pseudonymise(con: duckdb.DuckDBPyConnection) -> None:
    """Creates user_keys: HMAC-SHA256 of each distinct user id under a new key."""
    rows = con.execute("select user_id from raw_plays union select user_id from users").fetchall()
    ids, key = [row[0] for row in rows], secrets.token_bytes(32)
    keys = [hmac.digest(key, user_id.encode(), "sha256").hex() for user_id in ids]
    con.register("keyed", pa.table({"user_id": pa.array(ids, pa.string()), "user_key": pa.array(keys, pa.string())}))
    con.execute("create table user_keys as from keyed")


def main(landing: Path, out: Path) -> None:
    """Computes everything from `landing` and writes it under `out`, which is emptied first."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    with tempfile.TemporaryDirectory() as plain:
        list_files(con, landing, Path(plain))
        con.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
    con.execute(_QUARANTINE)
    pseudonymise(con)
    for table, (query, partitions) in OUTPUTS.items():
        by = f", partition_by ({partitions})" if partitions else ""
        target = out / table if partitions else out / f"{table}.parquet"
        con.execute(f"copy ({query}) to '{target}' (format parquet{by})")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute())

"""Other tools find the tables: DuckDB by a file of views, Spark by statements, notebooks by `open_lake`."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import pandas
import pytest
from pyspark.sql import SparkSession

from umg_assets import open_lake, tables
from umg_assets.cli import charts
from umg_assets.notebook import NotThereError, OpenLake
from umg_assets.resources.delta_log import forget_versions
from umg_assets.resources.exporting import export_charts
from umg_assets.resources.interop import refresh_catalog, statements, tables_address, versions_now, write_duckdb
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.reading import TableMissingError
from umg_assets.resources.slices import Slice
from umg_assets.resources.table_files import files_of
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import Lake, folder_of
from umg_assets_tests.processes import printed_by

pytestmark = pytest.mark.sail_enough
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(new_lake: NewLake) -> Lake:
    """Plays in AT on two days of March and in DE in February. Only read it, or copy it."""
    lake = new_lake("interop")
    lake.drop_users("2026-02-01", [("u1", "AT", "18-24"), ("u2", "DE", "25-34")])
    lake.drop_tracks("2026-02-01", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    days = [("2026-02-10", "u2", "DE"), ("2026-03-10", "u1", "AT"), ("2026-03-11", "u1", "AT")]
    for day, user, country in days:
        lake.drop_plays(day, [(f"p{day}", user, "s", "t1", f"{day}T10:00:00Z", 90_000, country)])
    lake.drop_plays("2026-03-12", [("", "u1", "s", "t1", "soon", 1, "AT")])
    lake.run()
    lake.home.chmod(0o700)
    return lake


@pytest.fixture
def lake(built: Lake, tmp_path: Path) -> Lake:
    """A copy, to be changed; its published set names the files of the copy."""
    copy = built.copied(tmp_path / "home")
    refresh_catalog(copy.home)
    return copy


def published(lake: Lake) -> Path:
    """The DuckDB file of the current set."""
    return lake.home / "exports" / "current" / "catalog" / "umg.duckdb"


def opened(file: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB file, as a tool opens it."""
    connection = duckdb.connect(str(file), read_only=True)
    connection.execute("set TimeZone = 'UTC'")
    return connection


def rows_in(file: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a view, as Lake.rows gives those of a table."""
    with opened(file) as connection:
        rows = connection.sql(f'from "{name}"').to_arrow_table().to_pylist()
    return sorted(rows, key=lambda row: json.dumps(row, default=str, sort_keys=True))


def views_in(file: Path) -> dict[str, str]:
    """The names of the views in a DuckDB file, each with its comment."""
    with opened(file) as connection:
        return dict(connection.sql("select view_name, comment from duckdb_views() where not internal").fetchall())


def play_again(lake: Lake, day: str = "2026-03-10") -> None:
    """Another play of a day, run and published."""
    lake.drop_plays(f"{day}-again", [("again", "u2", "s", "t1", f"{day}T12:00:00Z", 90_000, "AT")])
    lake.run()


def test_the_published_duckdb_file_has_every_row_and_column_of_each_table_and_the_contracts_comments(built: Lake):
    assert views_in(published(built)) == {table.name: table.comment for table in tables.CATALOGUED}
    for table in tables.CATALOGUED:
        assert rows_in(published(built), table.name) == built.rows(table.name), table.name
    with opened(published(built)) as connection:
        columns = connection.sql("select table_name, column_name, comment from duckdb_columns() where not internal")
        told = columns.fetchall()
    expected = [(table.name, column.name, column.comment) for table in tables.CATALOGUED for column in table.columns]
    assert sorted(told) == sorted(expected)
    assert built.rows("plays")
    assert not built.rows("visits"), "a table without files is an empty view"
    storage = int.from_bytes(published(built).read_bytes()[12:20], "little")
    assert storage == 64, "what DuckDB 1.0 reads"


def test_nobody_is_named_unless_it_is_asked_for_and_then_ids_are_sealed(built: Lake, tmp_path: Path):
    personal = {table.name for table in tables.ALL if table.personal}
    assert not personal & views_in(published(built)).keys()
    with opened(published(built)) as connection:
        columns = {name for (name,) in connection.sql("select column_name from duckdb_columns()").fetchall()}
    assert not columns & {"user_id", "birth_date", "text"}
    for name in ("tables.sql", "tables.json"):
        assert not [each for each in personal if each in (published(built).parent / name).read_text()]

    file = tmp_path / "all.duckdb"
    assert type_umg(tmp_path, "catalog", "--personal", home=built.home).code == 2
    assert type_umg(tmp_path, "catalog", "--personal", "--out", str(file), home=built.home).code == 0
    assert views_in(file).keys() == {table.name for table in tables.ALL}
    assert {row["user_id"][:5] for row in rows_in(file, "raw_plays")} == {"siv1:"}
    assert [row["text"][:5] for row in rows_in(file, "quarantine")] == ["gcm1:"]
    of_plays = [row["rows_by_play_date"] for row in rows_in(file, "deliveries") if row["source"] == "plays"]
    assert any(map(dict, of_plays))


def test_rows_of_before_a_column_was_added_hold_null_in_it(lake: Lake, tmp_path: Path):
    """Files of the old contract, and no others: then one of the new beside them."""

    def rewrite(file: Path, columns: str) -> None:
        """A file with these columns of its own."""
        duckdb.execute(f"copy (select {columns} from read_parquet('{file}', hive_partitioning = false)) to '{draft}'")
        shutil.move(draft, file)

    draft, first = tmp_path / "draft.parquet", lake.home / "tables" / "plays" / "_delta_log" / f"{0:020d}.json"
    actions = [json.loads(line) for line in first.read_text().splitlines()]
    (created,) = (action["metaData"] for action in actions if "metaData" in action)
    schema = json.loads(created["schemaString"])
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "section"]
    created["schemaString"] = json.dumps(schema)
    first.write_text("\n".join(map(json.dumps, actions)))
    for file in (lake.home / "tables" / "plays").rglob("*.parquet"):
        rewrite(file, "* exclude (section)")
    refresh_catalog(lake.home)
    assert {row["section"] for row in rows_in(published(lake), "plays")} == {None}
    (new,) = (lake.home / "tables" / "plays" / "play_date=2026-03-10").glob("*.parquet")
    rewrite(new, "*, 'home' as section")
    refresh_catalog(lake.home)
    sections = {row["play_id"]: row["section"] for row in rows_in(published(lake), "plays")}
    assert sections == {"p2026-02-10": None, "p2026-03-10": "home", "p2026-03-11": None}


def test_a_query_of_some_partitions_reads_no_row_of_others(lake: Lake):
    (other,) = (lake.home / "tables" / "plays" / "play_date=2026-03-10").glob("*.parquet")
    content = other.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    other.write_bytes(content[:4] + bytes(len(content) - footer - 4) + content[-footer:])
    with opened(published(lake)) as connection:
        assert connection.sql("select play_id from plays where play_date = '2026-03-11'").fetchall() == [
            ("p2026-03-11",)
        ]
        with pytest.raises(duckdb.Error):
            connection.sql("select play_id from plays").fetchall()


def test_making_a_view_opens_one_file_whatever_the_number_of_days(lake: Lake):
    named = files_of(lake.home, tables.DAILY_TRACK_PLAYS, lake.version("daily_track_plays"))
    first, *others = (Path(file.path) for file in named)
    assert others
    for file in others:
        file.write_bytes(b"not Parquet")
    assert refresh_catalog(lake.home) == {}
    first.write_bytes(b"not Parquet")
    assert refresh_catalog(lake.home).keys() == {"daily_track_plays"}


def test_a_compacted_table_is_read_like_any_other(lake: Lake, spark: SparkSession):
    path = lake.home / "tables" / "plays"
    deltalake.write_deltalake(path, deltalake.DeltaTable(path).to_pyarrow_table(), mode="append")
    assert Lakehouse(lake.home, lambda: spark).compact(tables.PLAYS)["numFilesAdded"] == 3
    file = lake.home / "compacted.duckdb"
    assert write_duckdb(lake.home, versions_now(lake.home), file) == {}
    assert rows_in(file, "plays") == lake.rows("plays")
    assert len(lake.rows("plays")) == 6


def test_a_new_set_brings_a_new_file_and_who_has_the_old_one_open_reads_on(lake: Lake):
    with opened(published(lake)) as before:
        play_again(lake, "2026-03-12")
        assert before.sql("select count(*) from plays").fetchall() == [(3,)]
    assert len(rows_in(published(lake), "plays")) == 4
    listed = json.loads((published(lake).parent / "tables.json").read_text())
    assert listed["complete_through"] == "2026-03-11"
    assert {table["name"]: table["version"] for table in listed["tables"]} == {
        name: version for name, version in lake.versions().items() if tables.BY_NAME[name] in tables.CATALOGUED
    }


def test_a_vacuum_keeps_every_file_that_the_published_views_name(lake: Lake, spark: SparkSession):
    lakehouse = Lakehouse(lake.home, lambda: spark)
    before = {table.name: lake.rows(table.name) for table in (tables.PLAYS, tables.SESSIONS)}
    for table in (tables.PLAYS, tables.SESSIONS):
        emptied = Slice.days(table.partitioned_by[0], [date(2026, 3, 10)])
        lakehouse.write_slice(table, lakehouse.read(table, emptied).limit(0), emptied)
        hours_ago = time.time() - timedelta(hours=5).total_seconds()
        for file in folder_of(lakehouse, table).rglob("*"):
            os.utime(file, (hours_ago, hours_ago))
        lakehouse.vacuum(table, timedelta(minutes=59))  # none of its whole hours
        assert len(lake.rows(table.name)) == len(before[table.name]) - 1
    assert {name: rows_in(published(lake), name) for name in before} == before


def test_a_version_that_is_gone_is_found_at_its_newest_once_the_file_is_written_anew(lake: Lake, spark: SparkSession):
    """So it is after somebody was forgotten: tables beside the charts change, and no old version stays."""
    lakehouse, day = Lakehouse(lake.home, lambda: spark), Slice.days("session_date", [date(2026, 3, 10)])
    lakehouse.write_slice(tables.SESSIONS, lakehouse.read(tables.SESSIONS, day).limit(0), day)
    lakehouse.vacuum(tables.SESSIONS, timedelta(0))
    forget_versions(lakehouse.location(tables.SESSIONS))
    with pytest.raises(duckdb.IOException):
        rows_in(published(lake), "sessions")
    assert type_umg(lake.home, "catalog", home=lake.home) == (0, f"{published(lake)}\n", "")
    assert rows_in(published(lake), "sessions") == lake.rows("sessions")


def test_the_published_file_is_written_anew_though_a_tool_holds_the_old_one(lake: Lake):
    """A tool that did not open it read-only; in a process of its own, because DuckDB locks files by process."""
    code = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    command = [sys.executable, "-c", code, str(published(lake))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tool:
        assert tool.stdout
        assert tool.stdout.readline() == "held\n"
        assert refresh_catalog(lake.home) == {}
        assert len(rows_in(published(lake), "plays")) == 3
        tool.communicate("\n")


def test_a_table_that_cannot_be_read_keeps_no_set_from_being_published_and_is_named(lake: Lake):
    (lost,) = (lake.home / "tables" / "sessions" / "session_date=2026-03-10").glob("*.parquet")
    lost.unlink()
    summary = export_charts(lake.settings, lake.history())
    assert str(summary["without_view"]).startswith("sessions: ")
    assert views_in(published(lake)).keys() == {table.name for table in tables.CATALOGUED} - {"sessions"}
    code, printed, error = type_umg(lake.home, "catalog", home=lake.home)
    assert (code, printed) == (1, f"{published(lake)}\n")
    assert error.startswith("sessions has no view, because it cannot be read: IO Error: ")
    assert (str(lost) in error, error.count("\n")) == (True, 1)
    with pytest.raises(NotThereError, match="sessions: it cannot be read"):
        open_lake(lake.home).table("sessions")


def test_a_file_that_holds_anything_else_is_never_replaced(lake: Lake, tmp_path: Path):
    text, own, first = tmp_path / "notes.txt", tmp_path / "own.duckdb", tmp_path / "lake.duckdb"
    text.write_text("mine")
    with duckdb.connect(str(own)) as connection:
        connection.execute("create table plays as select 1 as mine")
    for file, found in ((text, "cannot be opened"), (own, "holds plays: name a new one")):
        content = file.read_bytes()
        code, _, error = type_umg(tmp_path, "catalog", "--out", str(file), home=lake.home)
        assert (code, file.read_bytes(), error.count("\n")) == (1, content, 1)
        assert error.startswith(f"umg: {file}: expected a new file, or one of `umg catalog`, got one that {found}")
    assert type_umg(tmp_path, "catalog", "--out", str(first), home=lake.home).code == 0
    play_again(lake)
    with opened(first) as before:
        assert type_umg(tmp_path, "catalog", "--out", str(first), home=lake.home).code == 0
        assert before.sql("select count(*) from plays").fetchall() == [(3,)], "of the moment at which it was written"
    assert len(rows_in(first, "plays")) == 4
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "own.duckdb", "lake.duckdb", "home"}


def test_statements_and_list_say_where_the_tables_lie_for_their_reader(built: Lake, tmp_path: Path):
    printed = type_umg(tmp_path, "catalog", "--format", "sql", home=built.home)
    assert printed == (0, (published(built).parent / "tables.sql").read_text(), "")
    moved = type_umg(tmp_path, "catalog", "--format", "sql", "--location", "s3://bucket/it's/", home=built.home).out
    assert "umg.plays USING DELTA LOCATION 's3://bucket/it\\'s/plays';" in moved
    listed = json.loads(type_umg(tmp_path, "catalog", "--format", "json", home=built.home).out)
    plays = next(table for table in listed["tables"] if table["name"] == "plays")
    assert plays["location"] == f"file://{built.home}/tables/plays"
    assert (plays["version"], plays["partitioned_by"], plays["key"]) == (
        built.version("plays"),
        ["play_date"],
        ["play_id"],
    )
    assert plays["columns"][0] == {
        "name": "play_date",
        "type": "date",
        "comment": "local date of started_at in the reporting time zone",
    }
    assert type_umg(tmp_path, "catalog", "--location", "s3://bucket", home=built.home).code == 2
    assert type_umg(tmp_path, "catalog", "--format", "json", "--out", "list.json", home=built.home) == (0, "", "")
    assert json.loads((tmp_path / "list.json").read_text()) == listed


def test_before_the_first_run_it_says_what_to_type(tmp_path: Path):
    for form in ("duckdb", "sql", "json"):
        code, printed, error = type_umg(tmp_path, "catalog", "--format", form, home=tmp_path / "home")
        assert (code, printed, error.count("\n")) == (1, "", 1)
        assert error.endswith("and type `umg run`\n")
    with pytest.raises(TableMissingError, match="type `umg run`"):
        open_lake(tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.both_engines
def test_both_engines_run_the_statements_and_read_the_tables_and_no_table_gets_a_version(
    spark: SparkSession, tmp_path: Path
):
    lakehouse, sums = Lakehouse(tmp_path, lambda: spark), tables.DAILY_TRACK_PLAYS
    lakehouse.create_tables()
    given = {"play_date": date(2026, 3, 10), "track_id": "t1", "plays": 3}
    schema = ", ".join(f"{column.name} {column.type}" for column in sums.columns)
    rows = spark.createDataFrame([tuple(given.get(name) for name in sums.names)], schema)
    lakehouse.write_slice(sums, rows, Slice.days("play_date", [given["play_date"]]))
    versions = versions_now(tmp_path)
    create, *others = statements(versions, tables_address(tmp_path)).removesuffix(";\n").split(";\n")
    spark.sql(f"{create} LOCATION 'file://{tmp_path / 'warehouse'}'")
    try:
        for statement in others:
            spark.sql(statement)
        assert {name: spark.table(f"umg.{name}").columns for name in ("plays", "sessions", "users")} == {
            name: tables.BY_NAME[name].names for name in ("plays", "sessions", "users")
        }
        assert spark.table("umg.daily_track_plays").collect() == rows.collect()
    finally:
        spark.sql("DROP SCHEMA umg CASCADE")
    assert versions_now(tmp_path) == versions


@pytest.fixture(scope="module")
def notebook(built: Lake) -> OpenLake:
    return open_lake(built.home)


def test_a_notebook_gets_each_table_as_a_lazy_frame(built: Lake, notebook: OpenLake):
    assert notebook.tables == [table.name for table in tables.CATALOGUED]
    for table in tables.CATALOGUED:
        assert notebook.table(table.name).columns == table.names
    march = notebook.table("plays").filter("play_date >= '2026-03-01'").order("play_id")
    assert list(march.df()["play_id"]) == ["p2026-03-10", "p2026-03-11"]
    started = march.to_arrow_table().column("started_at").to_pylist()
    assert started[0].astimezone(UTC) == datetime(2026, 3, 10, 10, tzinfo=UTC)
    mine = march.df()[["play_id"]].assign(liked=True)
    joined = notebook.sql("select country, count(liked) as liked from plays join mine using (play_id) group by all")
    assert (joined.fetchall(), len(mine)) == ([("AT", 2)], 2)


def test_a_notebooks_charts_are_those_of_umg_chart(built: Lake, notebook: OpenLake):
    def agrees(frame: Any, rows: list[dict[str, Any]]) -> None:
        shown = frame.to_arrow_table().to_pylist()
        assert shown
        assert shown == [{name: row[name] for name in frame.columns} for row in rows]

    february = date(2026, 2, 1)
    agrees(notebook.top_tracks("at"), charts.top_tracks(built.home, "AT", None, "plays", 99).rows)
    of_de = charts.top_tracks(built.home, "DE", february, "listeners", 99).rows
    agrees(notebook.top_tracks("DE", "2026-02", "listeners"), of_de)
    agrees(notebook.movements("AT"), charts.movements(built.home, "AT", None, "plays", 99))
    agrees(notebook.movements("DE", february), charts.movements(built.home, "DE", february, "plays", 99))
    agrees(notebook.top_artists("Pop"), charts.top_artists(built.home, "Pop", None, None, "plays", 99))
    agrees(notebook.top_artists("Pop", "AT"), charts.top_artists(built.home, "Pop", "AT", None, "plays", 99))
    on_day = charts.favourites(built.home, "18-24", date(2026, 3, 11), 99)
    agrees(notebook.favourites("18-24", "2026-03-11"), on_day)
    agrees(notebook.favourites("18-24"), charts.favourites(built.home, "18-24", None, 99))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (lambda lake: lake.top_tracks("US"), "no chart of country US: there are AT"),
        (lambda lake: lake.top_tracks("AT", "2025-01"), "no chart of month 2025-01-01: there are 2026-02-01, 2026-03"),
        (lambda lake: lake.top_tracks("AT", criterion="loud"), "there are listeners, listening_time, plays, streams"),
        (lambda lake: lake.top_artists("Polka"), "no chart of genre Polka: there are Pop"),
        (lambda lake: lake.table("play"), "play: expected one of users, tracks, plays, "),
        (lambda lake: lake.table("raw_plays"), r"raw_plays: it is opened by open_lake\(\.\.\., personal=True\)"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_with_what_is(notebook: OpenLake, asked: Callable[[OpenLake], Any], message: str):
    with pytest.raises(NotThereError, match=message):
        asked(notebook)


def test_a_notebook_sees_one_state_until_it_opens_the_lake_again_and_personal_tables_if_it_asks(lake: Lake):
    with open_lake(str(lake.home)) as before:
        play_again(lake)
        assert before.table("plays").aggregate("count(*)").fetchall() == [(3,)]
    with open_lake(lake.home, personal=True) as after:
        assert after.table("plays").aggregate("count(*)").fetchall() == [(4,)]
        assert after.table("raw_plays").filter("user_id like 'siv1:%'").aggregate("count(*)").fetchall() == [(4,)]


def test_importing_the_package_loads_nothing_and_opening_a_lake_neither_an_engine_nor_dagster(built: Lake):
    code = """
import sys
import umg_assets
print({"duckdb", "deltalake", "pyarrow", "pandas", "pydantic"} & sys.modules.keys())
umg_assets.open_lake().table("plays").fetchall()
print({"dagster", "pyspark", "pysail", "pandas"} & sys.modules.keys())
"""
    assert printed_by(code, env={"UMG_HOME": str(built.home)}).split("\n") == ["set()", "set()", ""]


BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "interop.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_what_the_docs_show_works_as_it_is_printed(lake: Lake, block: str):
    for package in re.findall(r"(?m)^import (\w+)", block):
        pytest.importorskip(package, reason=f"the package {package} is not installed")
    exec(block.replace("/var/lib/umg", str(lake.home)), shown := {})
    frames = {name: value for name, value in shown.items() if isinstance(value, pandas.DataFrame)}
    assert all(len(frame) for frame in frames.values()), frames
    assert frames or "polars" in shown

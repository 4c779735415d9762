"""A column that a contract gains at its end is added, and rows are kept; other differences are refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import deltalake
import pytest
from pyspark.sql import SparkSession

from umg_assets import tables
from umg_assets.resources import schema as contracts
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.schema import CHECKPOINT_COMMITS, ContractError, create_table, migrate_table
from umg_assets.resources.slices import Slice
from umg_assets.resources.table_location import Folder
from umg_assets.tables import Column, Table
from umg_assets_tests.lake import folder_of

SUMS = tables.DAILY_TRACK_PLAYS
MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


def older(table: Table, columns: Sequence[Column]) -> Table:
    """The table under an earlier contract."""
    return replace(table, columns=tuple(columns))


def write_day(lakehouse: Lakehouse, table: Table, day: date, **given: object) -> None:
    """Replaces a day of daily sums by one row; columns not given are NULL."""
    row = {"play_date": day, "track_id": "t1", **given}
    schema = ", ".join(f"{column.name} {column.type}" for column in table.columns)
    rows = lakehouse.spark.createDataFrame([tuple(row.get(name) for name in table.names)], schema)
    lakehouse.write_slice(table, rows, Slice.days("play_date", [day]))


@pytest.fixture
def old(tmp_path: Path, spark: SparkSession) -> Lakehouse:
    """A lakehouse whose daily sums were created before section_plays, with a row on each of two days."""
    lakehouse, before = Lakehouse(tmp_path, lambda: spark), older(SUMS, SUMS.columns[:-1])
    create_table(lakehouse.location(SUMS), before)
    for day in (MONDAY, TUESDAY):
        write_day(lakehouse, before, day, plays=3)
    return lakehouse


def test_a_column_at_the_contracts_end_is_added_and_existing_rows_hold_null_in_it(old: Lakehouse):
    old.create_tables()
    write_day(old, SUMS, TUESDAY, plays=5, section_plays=2)
    rows = old.read(SUMS).orderBy("play_date").collect()
    assert [(row["play_date"], row["plays"], row["section_plays"]) for row in rows] == [
        (MONDAY, 3, None),
        (TUESDAY, 5, 2),
    ]
    stored = deltalake.DeltaTable(folder_of(old, SUMS))
    fields = json.loads(stored.schema().to_json())["fields"]
    assert [(field["name"], field["metadata"].get("comment")) for field in fields] == [
        (column.name, column.comment) for column in SUMS.columns
    ]
    assert stored.metadata().partition_columns == ["play_date"]
    assert [commit["operation"] for commit in stored.history()] == [
        "WRITE",
        "ADD COLUMN",
        *["WRITE"] * 2,
        "CREATE TABLE",
    ]


def test_the_log_of_an_older_table_gets_a_checkpoint_as_often_as_that_of_a_new_one(tmp_path: Path):
    path, interval = tmp_path / SUMS.name, "delta.checkpointInterval"
    create_table(Folder(path), SUMS, {interval: "100"})
    for _ in range(2):
        migrate_table(Folder(path), SUMS)
    table = deltalake.DeltaTable(path)
    assert (table.metadata().configuration[interval], table.version()) == (str(CHECKPOINT_COMMITS), 1)


@pytest.mark.sail_enough
def test_it_is_added_once_whoever_asks_again(old: Lakehouse):
    old.create_tables()
    version = old.version(SUMS)
    old.create_tables()
    Lakehouse(old.home, lambda: old.spark).create_tables()
    assert old.version(SUMS) == version == 3


@pytest.mark.sail_enough
def test_two_runs_that_add_it_at_once_add_it_once(old: Lakehouse, monkeypatch: pytest.MonkeyPatch):
    """The other run commits first."""

    class Opened(deltalake.DeltaTable):
        def __init__(self, table_uri: str | Path, **options: Any) -> None:
            super().__init__(table_uri, **options)
            if table_uri == str(folder_of(old, SUMS)):
                monkeypatch.setattr(contracts, "deltalake", deltalake)
                migrate_table(Folder(folder_of(old, SUMS)), SUMS)

    monkeypatch.setattr(contracts, "deltalake", SimpleNamespace(DeltaTable=Opened))
    old.create_tables()
    assert deltalake.DeltaTable(folder_of(old, SUMS)).history(1)[0]["operation"] == "ADD COLUMN"
    assert old.version(SUMS) == 3


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        pytest.param(
            [*SUMS.columns, Column("likes", "bigint", "hearts")], "likes is not in the contract", id="a column missing"
        ),
        pytest.param(
            [replace(column, type="string") if column.name == "skips" else column for column in SUMS.columns],
            "skips is of another type than bigint",
            id="another type",
        ),
        pytest.param(
            [column for column in SUMS.columns if column.name != "skips"],
            "they stand in another order",
            id="a column in between",
        ),
        pytest.param(SUMS.columns[::-1], "they stand in another order", id="another order"),
        pytest.param(
            [column for column in SUMS.columns if column.name not in ("plays", "section_plays")],
            "plays is new and may hold no NULL",
            id="a column that may hold no NULL",
        ),
    ],
)
def test_any_other_difference_is_refused_by_name_and_the_table_stays_as_it_was(
    tmp_path: Path, columns: Sequence[Column], fault: str
):
    path = tmp_path / SUMS.name
    create_table(Folder(path), older(SUMS, columns))
    with pytest.raises(ContractError, match=f"^daily_track_plays: expected the columns of its contract.*{fault}"):
        migrate_table(Folder(path), SUMS)
    assert deltalake.DeltaTable(path).version() == 0


def test_other_comments_alone_are_no_difference_and_the_table_keeps_its_own(tmp_path: Path, spark: SparkSession):
    """Comments are stored in the table's metadata, and the contract's are reworded now and then."""
    columns = [replace(column, comment=f"formerly {column.name}") for column in SUMS.columns]
    before = replace(SUMS, columns=tuple(columns), comment="Formerly sums.")
    lakehouse = Lakehouse(tmp_path, lambda: spark)
    create_table(lakehouse.location(SUMS), before)
    write_day(lakehouse, before, MONDAY, plays=3)
    lakehouse.create_tables()
    assert lakehouse.version(SUMS) == 1
    write_day(lakehouse, SUMS, TUESDAY, plays=5)
    rows = lakehouse.read(SUMS).orderBy("play_date").collect()
    assert [(row["play_date"], row["plays"]) for row in rows] == [(MONDAY, 3), (TUESDAY, 5)]
    fields = json.loads(deltalake.DeltaTable(folder_of(lakehouse, SUMS)).schema().to_json())["fields"]
    assert [field["metadata"]["comment"] for field in fields] == [column.comment for column in columns]


@pytest.mark.sail_enough
def test_a_run_over_a_table_that_differs_stops_before_anything_is_read(tmp_path: Path, spark: SparkSession):
    lakehouse = Lakehouse(tmp_path, lambda: spark)
    create_table(lakehouse.location(SUMS), older(SUMS, [*SUMS.columns, Column("likes", "bigint", "hearts")]))
    with pytest.raises(ContractError, match="likes is not in the contract"):
        lakehouse.create_tables()

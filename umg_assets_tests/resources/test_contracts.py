"""A table whose contract has gained a column: added at its end, rows kept; anything else is refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import deltalake
import pytest
from pyspark.sql import SparkSession

from umg_assets import tables
from umg_assets.resources import contracts
from umg_assets.resources.contracts import ContractError, add_new_columns, delta_schema
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.slices import Slice
from umg_assets.tables import Column, Table

SUMS = tables.DAILY_TRACK_PLAYS
MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


def older(table: Table, columns: Sequence[Column]) -> Table:
    """The table under a contract of before."""
    return replace(table, columns=tuple(columns))


def make(path: Path, table: Table) -> None:
    """The table on disk, by its contract, without a row."""
    deltalake.DeltaTable.create(
        path, schema=delta_schema(table), partition_by=list(table.partitioned_by), name=table.name, mode="ignore"
    )


def write_day(lakehouse: Lakehouse, table: Table, day: date, **given: object) -> None:
    """Replaces a day of daily sums by one row; columns not given are NULL."""
    row = {"play_date": day, "track_id": "t1", **given}
    schema = ", ".join(f"{one.name} {one.type}" for one in table.columns)
    rows = lakehouse.spark.createDataFrame([tuple(row.get(name) for name in table.names)], schema)
    lakehouse.write_slice(table, rows, Slice.days("play_date", [day]))


@pytest.fixture
def old(tmp_path: Path, spark: SparkSession) -> Lakehouse:
    """A lakehouse whose daily sums are of before section_plays, with a row on each of two days."""
    lakehouse, before = Lakehouse(tmp_path, lambda: spark), older(SUMS, SUMS.columns[:-1])
    make(lakehouse.path(SUMS), before)
    for day in (MONDAY, TUESDAY):
        write_day(lakehouse, before, day, plays=3)
    return lakehouse


def test_a_column_at_the_contracts_end_is_added_and_rows_that_are_there_hold_null_in_it(old: Lakehouse):
    old.create_tables()
    write_day(old, SUMS, TUESDAY, plays=5, section_plays=2)
    rows = old.read(SUMS).orderBy("play_date").collect()
    assert [(row["play_date"], row["plays"], row["section_plays"]) for row in rows] == [
        (MONDAY, 3, None),
        (TUESDAY, 5, 2),
    ]
    stored = deltalake.DeltaTable(old.path(SUMS))
    fields = json.loads(stored.schema().to_json())["fields"]
    assert [(one["name"], one["metadata"].get("comment")) for one in fields] == [
        (one.name, one.comment) for one in SUMS.columns
    ]
    assert stored.metadata().partition_columns == ["play_date"]
    assert [commit["operation"] for commit in stored.history()] == [
        "WRITE",
        "ADD COLUMN",
        *["WRITE"] * 2,
        "CREATE TABLE",
    ]


@pytest.mark.sail_enough
def test_it_is_added_once_whoever_asks_again(old: Lakehouse):
    old.create_tables()
    version = old.version(SUMS)
    old.create_tables()
    Lakehouse(old.home, lambda: old.spark).create_tables()
    assert old.version(SUMS) == version == 3


@pytest.mark.sail_enough
def test_two_runs_that_add_it_at_once_add_it_once(old: Lakehouse, monkeypatch: pytest.MonkeyPatch):
    """The other one is quicker, by a commit."""

    def opened(path: Path) -> deltalake.DeltaTable:
        table = deltalake.DeltaTable(path)
        if path == old.path(SUMS):
            monkeypatch.setattr(contracts, "deltalake", deltalake)
            add_new_columns(path, SUMS)
        return table

    monkeypatch.setattr(contracts, "deltalake", SimpleNamespace(DeltaTable=opened))
    old.create_tables()
    assert deltalake.DeltaTable(old.path(SUMS)).history(1)[0]["operation"] == "ADD COLUMN"
    assert old.version(SUMS) == 3


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        pytest.param(
            [*SUMS.columns, Column("likes", "bigint", "hearts")], "likes is not in the contract", id="a column gone"
        ),
        pytest.param(
            [replace(one, type="string") if one.name == "skips" else one for one in SUMS.columns],
            "skips is of another type than bigint",
            id="another type",
        ),
        pytest.param(
            [one for one in SUMS.columns if one.name != "skips"], "they stand in another order", id="one in between"
        ),
        pytest.param(SUMS.columns[::-1], "they stand in another order", id="another order"),
        pytest.param(
            [one for one in SUMS.columns if one.name not in ("plays", "section_plays")],
            "plays is new and may hold no NULL",
            id="one that may hold no NULL",
        ),
    ],
)
def test_any_other_difference_is_refused_by_name_and_the_table_stays_as_it_was(
    tmp_path: Path, columns: Sequence[Column], said: str
):
    path = tmp_path / SUMS.name
    make(path, older(SUMS, columns))
    with pytest.raises(ContractError, match=f"^daily_track_plays: expected the columns of its contract.*{said}"):
        add_new_columns(path, SUMS)
    assert deltalake.DeltaTable(path).version() == 0


@pytest.mark.sail_enough
def test_a_run_over_a_table_that_differs_stops_before_anything_is_read(tmp_path: Path, spark: SparkSession):
    lakehouse = Lakehouse(tmp_path, lambda: spark)
    make(lakehouse.path(SUMS), older(SUMS, [*SUMS.columns, Column("likes", "bigint", "hearts")]))
    with pytest.raises(ContractError, match="likes is not in the contract"):
        lakehouse.create_tables()

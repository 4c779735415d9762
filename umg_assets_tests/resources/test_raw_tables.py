"""Every raw table refuses a record without a required value, and reads only files that can hold the days asked for."""

from datetime import UTC, date, datetime
from pathlib import Path

import deltalake
import pytest
from pyspark.sql import DataFrame, SparkSession

from umg_assets import tables
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.schema import delta_schema
from umg_assets.resources.slices import Slice
from umg_assets.tables import Kind, Table
from umg_assets_tests.lake import folder_of

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)
VALUES = {"string": "x", "bigint": 1, "date": MONDAY, "timestamp": datetime(2026, 3, 2, 12, tzinfo=UTC)}
every_kind = pytest.mark.parametrize("kind", tables.KINDS)
every_dated_kind = pytest.mark.parametrize("kind", tables.OCCURRENCES)


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Lakehouse:
    """A lakehouse with its tables created. A test writes only the days of a kind that it names."""
    lakehouse = Lakehouse(tmp_path_factory.mktemp("raw"), lambda: spark)
    lakehouse.create_tables()
    return lakehouse


def record(table: Table, **given: object) -> dict[str, object]:
    """A row with a value in every column, delivered on Monday in a.csv, except as given."""
    return {**{column.name: VALUES[column.type] for column in table.columns}, "source_file": "a.csv", **given}


def frame(spark: SparkSession, table: Table, row: dict[str, object]) -> DataFrame:
    """One row with the contract's columns."""
    schema = ", ".join(f"{column.name} {column.type}" for column in table.columns)
    return spark.createDataFrame([tuple(row[name] for name in table.names)], schema)


def write(lakehouse: Lakehouse, table: Table, **given: object) -> None:
    """Replaces one file's rows by one record."""
    row = record(table, **given)
    replaced = Slice.files([(row["delivery_date"], row["source_file"])])  # pyright: ignore[reportArgumentType]
    lakehouse.write_slice(table, frame(lakehouse.spark, table, row), replaced)


def statistics(lakehouse: Lakehouse, table: Table) -> list[set[str]]:
    """The columns of which the log keeps a file's least value, a set for each file, newest first."""
    log = deltalake.DeltaTable(folder_of(lakehouse, table)).get_add_actions(flatten=True)
    columns = {name.removeprefix("min.") for name in log.schema.names if name.startswith("min.")}
    files = sorted(log.to_struct_array().to_pylist(), key=lambda file: file["modification_time"], reverse=True)
    return [{name for name in columns if file[f"min.{name}"] is not None} for file in files]


@every_kind
def test_a_record_without_a_value_that_its_kind_requires_is_refused_by_name_and_nothing_is_written(
    lakehouse: Lakehouse, kind: Kind
):
    table = tables.RAW[kind]
    required = {*tables.REQUIRED[kind], "source_file", "record", "delivery_date"} & set(table.names)
    required |= {"user_key"} & set(table.names)
    required |= {tables.OCCURRENCES[kind].date} if kind in tables.OCCURRENCES else set()
    assert set(table.not_null) == required
    before = lakehouse.version(table)
    for name in sorted(required - {"delivery_date", "source_file"}):
        with pytest.raises(Exception, match=rf"{table.name}: expected a value in {name}, got NULL"):
            write(lakehouse, table, **{name: None})
    assert lakehouse.version(table) == before


@every_dated_kind
def test_a_read_of_a_day_opens_no_file_of_other_days(lakehouse: Lakehouse, kind: Kind):
    table, local_date = tables.RAW[kind], tables.OCCURRENCES[kind].date
    for day, path in ((MONDAY, "pruned-monday.csv"), (TUESDAY, "pruned-tuesday.csv")):
        write(lakehouse, table, **{local_date: day, "source_file": path, tables.OCCURRENCES[kind].id: path})
    files = {path.name: path for path in folder_of(lakehouse, table).rglob("*.parquet")}
    rows = deltalake.DeltaTable(folder_of(lakehouse, table)).get_add_actions(flatten=True).to_struct_array().to_pylist()
    (spoilt,) = (files[Path(row["path"]).name] for row in rows if row["min.source_file"] == "pruned-monday.csv")
    spoilt.write_bytes(b"whoever reads this fails")
    read = lakehouse.read(table, Slice.days("delivery_date", [MONDAY])).where(
        Slice.days(local_date, [TUESDAY]).predicate
    )
    assert [row["source_file"] for row in read.collect()] == ["pruned-tuesday.csv"]
    with pytest.raises(Exception, match=r"(?i)parquet|footer|magic|eof|corrupt"):
        lakehouse.read(table).collect()


def older_events(lakehouse: Lakehouse) -> Table:
    """raw_app_events on disk as it was created before its files were pruned, with a record of Monday."""
    table = tables.RAW_APP_EVENTS
    deltalake.DeltaTable.create(
        folder_of(lakehouse, table),
        schema=delta_schema(table),
        partition_by=list(table.partitioned_by),
        name=table.name,
        description=table.comment,
        configuration={"delta.dataSkippingNumIndexedCols": "0"},
    )
    write(lakehouse, table, event_id="old")
    return table


def test_a_table_created_before_its_files_were_pruned_keeps_statistics_of_new_files_and_all_rows(
    tmp_path: Path, spark: SparkSession
):
    lakehouse = Lakehouse(tmp_path, lambda: spark)
    table = older_events(lakehouse)
    lakehouse.create_tables()
    write(lakehouse, table, event_id="new", event_date=TUESDAY, delivery_date=TUESDAY)
    assert statistics(lakehouse, table) == [{"event_date", "source_file"}, set()]
    for day, event_id in ((MONDAY, "old"), (TUESDAY, "new")):
        read = lakehouse.read(table, Slice.days("event_date", [day]))
        assert [row["event_id"] for row in read.collect()] == [event_id]


@pytest.mark.sail_enough
def test_the_columns_to_prune_by_are_set_once_whoever_asks_again(tmp_path: Path, spark: SparkSession):
    lakehouse = Lakehouse(tmp_path, lambda: spark)
    table = older_events(lakehouse)
    lakehouse.create_tables()
    version = lakehouse.version(table)
    Lakehouse(tmp_path, lambda: spark).create_tables()
    assert lakehouse.version(table) == version == 2
    assert deltalake.DeltaTable(folder_of(lakehouse, table)).history(1)[0]["operation"] == "SET TBLPROPERTIES"

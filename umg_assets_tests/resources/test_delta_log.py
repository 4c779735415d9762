"""A table's log without its past: statistics of values that are gone go, and everybody still reads the table."""

import shutil
from datetime import timedelta
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest

from umg_assets.resources.delta_log import forget_versions, newest_version, open_table
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.table_location import Folder
from umg_assets.tables import RAW_USERS
from umg_assets_tests.lake import folder_of


@pytest.mark.both_engines
def test_a_log_forgets_what_older_versions_need_and_the_table_stays_as_it_is(tmp_path: Path, spark):
    lakehouse = Lakehouse(tmp_path, lambda: spark)
    path = folder_of(lakehouse, RAW_USERS)
    rows = pa.table({"user_id": ["u-to-go", "u-to-stay"], "day": ["a", "b"]})
    deltalake.write_deltalake(path, rows)
    deltalake.DeltaTable(path).create_checkpoint()
    deltalake.write_deltalake(path, rows.slice(1), mode="overwrite")
    written = newest_version(Folder(path))
    lakehouse.vacuum(RAW_USERS, timedelta(0))
    log = path / "_delta_log"
    assert any(b"u-to-go" in file.read_bytes() for file in log.iterdir() if file.is_file())
    gone = forget_versions(Folder(path))
    assert f"{0:020d}.json" in gone
    assert f"{0:020d}.checkpoint.parquet" in gone
    assert not any(b"u-to-go" in file.read_bytes() for file in path.rglob("*") if file.is_file())
    assert (log / f"{written:020d}.json").exists(), "it tells when rows were last written"
    assert [row["user_id"] for row in spark.read.format("delta").load(str(path)).collect()] == ["u-to-stay"]
    spark.createDataFrame([("u-new", "c")], "user_id string, day string").write.format("delta").mode("append").save(
        str(path)
    )
    assert sorted(deltalake.DeltaTable(path).to_pyarrow_table()["user_id"].to_pylist()) == ["u-new", "u-to-stay"]


def test_the_newest_version_is_that_of_the_newest_commit_and_of_no_other_file_of_the_log(tmp_path: Path):
    log = tmp_path / "_delta_log"
    assert newest_version(Folder(tmp_path)) == -1
    log.mkdir()
    assert newest_version(Folder(tmp_path)) == -1
    for name in ("00000000000000000009.json", "00000000000000000010.json"):
        (log / name).touch()
    for name in ("00000000000000000011.json.tmp", "00000000000000000012.checkpoint.parquet", "13.json", "_14.json"):
        (log / name).touch()
    assert newest_version(Folder(tmp_path)) == 10


def test_a_table_opened_to_read_is_shared_until_it_has_another_version_or_another_takes_its_place(tmp_path: Path):
    def write(value: str) -> None:
        deltalake.write_deltalake(tmp_path / "table", pa.table({"value": [value]}), mode="overwrite")

    location = Folder(tmp_path / "table")
    write("first")
    opened = open_table(location)
    assert open_table(location) is open_table(location, 0) is opened
    write("second")
    assert [open_table(location, version).to_pyarrow_table()["value"].to_pylist() for version in (0, 1, None)] == [
        ["first"],
        ["second"],
        ["second"],
    ]
    shutil.rmtree(tmp_path / "table")
    write("another table's")
    assert open_table(location, 0).to_pyarrow_table()["value"].to_pylist() == ["another table's"]

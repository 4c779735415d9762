"""An optional date that expressions take from a map, list or struct of the file: it may be there, or not, or be lost.

What is not there is not known, and its record lands; what is there and makes no date is one bad record.
"""

from datetime import date
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from umg_assets.transforms.records import type_records
from umg_assets_tests.lake import Lake
from umg_assets_tests.transforms.frames import rows_of

SOURCES = """
[[sources.users]]
files = "users/*"
delivered_on = '(\\d{4}-\\d{2}-\\d{2})'
[sources.users.columns]
user_id = "id"
TARGET = "EXPRESSION"
"""
DAY, FAR = 10_957, 2**31 - 1  # 2000-01-01, and DuckDB's 'infinity', in days since 1970
DAYS = pa.array([DAY, None, None, None, FAR], pa.int32()).view(pa.date32())
"""Of the users there, null, keyless, none, far."""
OFFSETS = pa.array([0, 1, 2, None, 2, 3], pa.int32())
HELD = DAYS.take([0, 1, 4])
"""The values of maps and lists that are: one, a null, none, null itself, and one that is lost."""
STRUCTS = pa.StructArray.from_arrays([HELD], ["day"])
KEYS = pa.array(["birth"] * 3)
NUMBERS = pa.array([DAY, None, None, None, 2_000_000_000_000], pa.int64())
TEXTS = pa.array(["2000-01-01", None, "soon"])
ROWS = pa.table(
    {
        "id": ["there", "null", "keyless", "none", "far"],
        "other": pa.array([None, None, None, None, None], pa.date32()),
        "key": ["birth"] * 5,
        "year": pa.array([2000, None, None, 2000, 2000], pa.int32()),
        "month": pa.array([1, None, None, None, 1], pa.int32()),
        "day": DAYS,
        "seconds": NUMBERS,
        "one": pa.StructArray.from_arrays([DAYS], ["day"]),
        "attributes": pa.MapArray.from_arrays(OFFSETS, KEYS, HELD),
        "dates": pa.ListArray.from_arrays(OFFSETS, HELD),
        "structs": pa.ListArray.from_arrays(OFFSETS, STRUCTS),
        "named": pa.MapArray.from_arrays(OFFSETS, KEYS, STRUCTS),
        "texts": pa.MapArray.from_arrays(OFFSETS, KEYS, TEXTS),
    }
)
LOST = [
    "day",
    "cast(day as timestamp)",
    "one.day",
    "to_date(day)",
    "timestamp_seconds(seconds * 86400)",
    "attributes['birth']",
    "cast(attributes['birth'] as date)",
    "element_at(attributes, 'birth')",
    "try_element_at(attributes, 'birth')",
    "dates[0]",
    "element_at(dates, -1)",
    "structs[0].day",
    "element_at(named, 'birth').day",
    "attributes[key]",
    "texts['birth']",
    "to_date(texts['birth'], 'yyyy-MM-dd')",
    "coalesce(other, day)",
    "coalesce(dates[0], attributes['birth'])",
    "case when year = 2000 then day end",
    "nullif(day, date'1900-01-01')",
    "array_max(dates)",
]


NOT_THERE = {"there": date(2000, 1, 1), "null": None, "keyless": None, "none": None}


def typed(spark: SparkSession, folder: Path, expression: str) -> list[tuple[str, date | None, str | None]]:
    """The users, with their birth dates and reasons."""
    numbered = ROWS.append_column("_record", pa.array(range(1, 6), pa.int64()))
    placed = numbered.append_column("_file", pa.array([7] * 5, pa.int32()))
    pq.write_table(placed.append_column("_delivery_date", pa.array([date(2026, 3, 2)] * 5)), folder / "rows.parquet")
    columns = {"user_id": "id", "birth_date": expression}
    staged = spark.read.parquet(str(folder / "rows.parquet"))
    records = type_records(staged, "users", columns, None, "Europe/Vienna", date(2026, 3, 1))
    return rows_of(records.orderBy("record"), "user_id", "birth_date", "reason")


@pytest.mark.parametrize("expression", LOST)
def test_a_date_that_is_not_there_is_not_known_and_one_that_is_lost_is_bad(
    spark: SparkSession, tmp_path: Path, expression: str
):
    known = [(user, day, None) for user, day in NOT_THERE.items()]
    assert sorted(typed(spark, tmp_path, expression)) == sorted([*known, ("far", None, "unparsable_birth_date")])


@pytest.mark.parametrize(
    "expression", ["make_date(year, month, 1)", "case when month = 1 then make_date(year, month, 1) end"]
)
def test_a_date_of_several_columns_of_which_some_are_empty_is_not_known(
    spark: SparkSession, tmp_path: Path, expression: str
):
    known = [(user, day, None) for user, day in NOT_THERE.items()]
    assert sorted(typed(spark, tmp_path, expression)) == sorted([*known, ("far", date(2000, 1, 1), None)])


@pytest.mark.both_engines
@pytest.mark.parametrize("target", ["birth_date", "signed_up_on"])
@pytest.mark.parametrize("expression", ["attributes['birth']", "dates[0]"])
def test_a_user_of_whom_a_map_or_a_list_has_no_date_lands(lake: Lake, target: str, expression: str):
    file = BytesIO()
    pq.write_table(ROWS, file)
    lake.configure(sources=SOURCES.replace("TARGET", target).replace("EXPRESSION", expression))
    lake.drop("users/2026-03-02.parquet", file.getvalue())
    lake.run()
    assert dict(lake.values("raw_users", "user_id", target)) == NOT_THERE
    assert [(row["record"], row["reason"]) for row in lake.rows("quarantine")] == [(5, f"unparsable_{target}")]

"""The recipes of docs/sources.md, run on both engines: decimal commas, the path, plays without an id."""

import hashlib
import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from umg_assets.transforms.records import type_records, with_file_path
from umg_assets_tests.transforms.frames import day, rows_of
from umg_assets_tests.transforms.test_records import COLUMNS, typed

DOCS = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")


def recipe(part: str) -> str:
    """The expression of docs/sources.md that contains a text."""
    (expression,) = {match for match in re.findall(r'(?m)^\w+ = "(.*)"(?:\s+#.*)?$', DOCS) if part in match}
    return expression


@pytest.mark.parametrize(
    ("part", "text", "played", "reason"),
    [
        ("cast(replace(seconds", "200,5", 200_500, None),
        ("cast(replace(seconds", "0,29", 290, None),
        ("cast(replace(seconds", "12", 12_000, None),
        ("cast(replace(seconds", "", None, None),
        ("cast(replace(seconds", "1.234,5", None, "unparsable_played_ms"),
        ("replace(replace(", "1.234,5", 1_234_500, None),
    ],
)
def test_a_decimal_comma_is_a_number_and_other_texts_are_bad(
    spark: SparkSession, part: str, text: str, played: int | None, reason: str | None
):
    expression = recipe(part).replace("seconds", "ms")
    records = typed(spark, [{"ms": text}], None, {**COLUMNS, "played_ms": expression})
    assert rows_of(records, "played_ms", "reason") == [(played, reason)]


def test_a_market_in_a_folders_name_is_a_column_and_a_records_own_file_path_is_not_hidden(spark: SparkSession):
    schema = "id string, user string, track string, at string, _record bigint, _file int, _delivery_date date"
    good = ("p", "u", "t", "2026-03-02T10:00:00Z")
    columns = {name: text for name, text in COLUMNS.items() if name != "played_ms"} | {"country": recipe("file_path")}
    delivered = day("03-03")

    def countries(rows, path: str, file_schema: str) -> list[tuple]:
        staged = with_file_path(spark.createDataFrame(rows, file_schema), F.lit(path))
        return rows_of(type_records(staged, "plays", columns, None, "UTC", day("03-01")), "record", "country", "reason")

    assert countries([(*good, 1, 7, delivered)], "sk/2026-03-02.csv", schema) == [(1, "SK", None)]
    assert countries([(*good, 1, 7, delivered)], "all/2026-03-02.csv", schema) == [(1, None, None)]
    having = [(*good, 1, 7, delivered, "at/x.csv"), (*good, 2, 7, delivered, None)]
    assert countries(having, "sk/x.csv", f"{schema}, file_path string") == [(1, "AT", None), (2, "SK", None)]


def test_an_id_made_of_other_columns_is_the_same_for_a_repeat_and_another_for_another_play(spark: SparkSession):
    expression = recipe("sha2(").replace("ts", "at")
    again, late = {"ms": "1"}, {"at": "2026-03-02T10:00:01Z"}
    changes = [{}, again, late, {"user": "v"}, {"track": "s"}, {"user": None}]
    records = typed(spark, changes, None, {**COLUMNS, "play_id": expression})
    rows = rows_of(records, "record", "play_id", "reason")
    ids = [play_id for _, play_id, _ in rows]
    assert ids[0] == ids[1] == hashlib.sha256(b"u|2026-03-02T10:00:00Z|t").hexdigest()
    assert len({*ids[1:5]}) == 4
    assert [reason for *_, reason in rows] == [None] * 5 + ["missing_user_id"]


@pytest.mark.parametrize(("part", "ids"), [("{}", 1), ("coalesce({}, '')", 2)])
def test_a_part_that_may_be_empty_is_left_out_of_an_id_unless_it_counts_as_an_empty_text(
    spark: SparkSession, part: str, ids: int
):
    assert "`coalesce(device, '')`" in DOCS
    expression = f"sha2(concat_ws('|', user, {part.format('device')}, {part.format('list')}), 256)"
    schema = "id string, user string, track string, at string, ms string, device string, list string"
    changes = [{"device": "x", "list": None}, {"device": None, "list": "x"}]
    records = typed(spark, changes, None, {**COLUMNS, "play_id": expression}, schema)
    assert len({play_id for (play_id,) in rows_of(records, "play_id")}) == ids

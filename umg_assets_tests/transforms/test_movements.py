"""Movements of a chart, as of each month."""

from datetime import date

from pyspark.sql import SparkSession

from umg_assets import tables
from umg_assets.transforms.movements import movements

Moved = tuple[int, str, int | None, int, int, str | None]


def moved(spark: SparkSession, entries: list[tuple[int, int, str]]) -> list[Moved]:
    """(month of 2026, rank, track) -> (month, track, previous rank, peak, months on chart, movement)."""
    rows = []
    for month, rank, track in entries:
        row = dict.fromkeys(tables.TOP_TRACKS_BY_COUNTRY.names)
        row |= {"month": date(2026, month, 1), "country": "AT", "criterion": "plays", "rank": rank, "track_id": track}
        rows.append(tuple(row.values()))
    schema = ", ".join(f"{column.name} {column.type}" for column in tables.TOP_TRACKS_BY_COUNTRY.columns)
    moves = movements(spark.createDataFrame(rows, schema)).collect()
    return sorted(
        (row.month.month, row.track_id, row.previous_rank, row.peak_rank, row.months_on_chart, row.movement)
        for row in moves
    )


def test_a_charts_first_month_has_no_movements(spark: SparkSession):
    assert moved(spark, [(1, 1, "a"), (1, 2, "b")]) == [(1, "a", None, 1, 1, None), (1, "b", None, 2, 1, None)]


def test_up_down_same_and_new_compare_with_the_month_before(spark: SparkSession):
    first = [(1, 1, "a"), (1, 2, "b"), (1, 3, "c")]
    moves = moved(spark, [*first, (2, 1, "b"), (2, 2, "a"), (2, 3, "c"), (2, 4, "d")])
    assert moves[3:] == [
        (2, "a", 1, 1, 2, "down"),
        (2, "b", 2, 1, 2, "up"),
        (2, "c", 3, 3, 2, "same"),
        (2, "d", None, 4, 1, "new"),
    ]


def test_a_track_that_returns_to_the_chart_is_a_re_entry_and_keeps_its_peak(spark: SparkSession):
    moves = moved(spark, [(1, 1, "a"), (2, 1, "b"), (3, 5, "a")])
    assert moves[-1] == (3, "a", None, 1, 2, "re-entry")


def test_peak_and_months_on_the_chart_are_as_of_each_month_and_ignore_later_ones(spark: SparkSession):
    assert moved(spark, [(1, 5, "a"), (2, 3, "a"), (3, 4, "a")]) == [
        (1, "a", None, 5, 1, None),
        (2, "a", 5, 3, 2, "up"),
        (3, "a", 3, 3, 3, "down"),
    ]

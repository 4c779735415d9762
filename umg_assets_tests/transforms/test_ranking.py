"""Rankings by several criteria and how ties break."""

from pyspark.sql import SparkSession

from umg_assets.transforms.ranking import rank_by
from umg_assets_tests.transforms.frames import rows_of

CRITERIA = {"plays": "plays", "time": "ms"}
SCHEMA = "chart string, id string, plays bigint, ms bigint"


def ranked(spark: SparkSession, rows: list[tuple], size: int, criterion: str) -> list[tuple]:
    """(chart, rank, id) of one criterion."""
    ranking = rank_by(spark.createDataFrame(rows, SCHEMA), CRITERIA, ["chart"], "id", size)
    return rows_of(ranking.where(f"criterion = '{criterion}'"), "chart", "rank", "id")


def test_ties_break_by_plays_descending_then_by_id_ascending(spark: SparkSession):
    rows = [("c", "b", 5, 100), ("c", "a", 5, 100), ("c", "z", 6, 100), ("c", "most", 1, 101)]
    assert ranked(spark, rows, 4, "time") == [("c", 1, "most"), ("c", 2, "z"), ("c", 3, "a"), ("c", 4, "b")]
    assert ranked(spark, rows, 4, "plays") == [("c", 1, "z"), ("c", 2, "a"), ("c", 3, "b"), ("c", 4, "most")]


def test_each_chart_has_its_own_ranks_and_size_entries_a_criterion(spark: SparkSession):
    rows = [("c", "a", 3, 1), ("c", "b", 2, 2), ("c", "c", 1, 3), ("d", "a", 1, 1)]
    assert ranked(spark, rows, 2, "plays") == [("c", 1, "a"), ("c", 2, "b"), ("d", 1, "a")]
    assert ranked(spark, rows, 2, "time") == [("c", 1, "c"), ("c", 2, "b"), ("d", 1, "a")]


def test_a_figure_of_null_or_zero_has_no_rank_by_its_criterion(spark: SparkSession):
    rows = [("c", "known", 1, 1), ("c", "none", 3, 0), ("c", "unknown", 2, None)]
    assert ranked(spark, rows, 3, "time") == [("c", 1, "known")]
    assert ranked(spark, rows, 3, "plays") == [("c", 1, "none"), ("c", 2, "unknown"), ("c", 3, "known")]


def test_a_ranked_row_keeps_its_columns_and_gains_criterion_and_rank(spark: SparkSession):
    ranking = rank_by(spark.createDataFrame([("c", "a", 1, 2)], SCHEMA), CRITERIA, ["chart"], "id", 1)
    assert ranking.columns == ["chart", "id", "plays", "ms", "criterion", "rank"]
    assert rows_of(ranking, *ranking.columns) == [("c", "a", 1, 2, "plays", 1), ("c", "a", 1, 2, "time", 1)]

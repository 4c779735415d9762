"""Ranks: by each criterion, ties broken the same way every time."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def rank_by(figures: DataFrame, criteria: Mapping[Any, str], within: Sequence[str], tie: str, size: int) -> DataFrame:
    """Figures -> the top `size` by each criterion, with `criterion` and `rank` (from 1, without gaps).

    criteria: name -> column of the figure; within: the columns of one chart. Ties break by plays, then by the column
    `tie` (ascending). A figure that is NULL or 0 is not ranked, so a criterion without data gives no rows.
    """
    by_criterion = [
        figures.withColumn("criterion", F.lit(criterion)).withColumn("_figure", F.col(column))
        for criterion, column in criteria.items()
    ]
    order = Window.partitionBy(*within, "criterion").orderBy(
        F.col("_figure").desc(), F.col("plays").desc(), F.col(tie).asc()
    )
    ranked = reduce(DataFrame.unionByName, by_criterion).where("_figure > 0")
    return ranked.withColumn("rank", F.row_number().over(order)).where(F.col("rank") <= size).drop("_figure")
